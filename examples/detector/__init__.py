"""A compact single-stage detector in which every part is a switch, to show `hardest_metrics` at work."""
