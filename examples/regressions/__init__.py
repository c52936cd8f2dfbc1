"""Runs of a small classifier, kept and compared."""
