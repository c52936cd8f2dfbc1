"""Data sets in shards: each ranked by itself, in memory that does not grow, and what all of them come to."""
