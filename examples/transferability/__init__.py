"""Parts of the experiment `examples/transfer.py`: data, trainings, scores and tables."""
