"""Training for hierarchical retrieval."""
