"""The command ``hardest-metrics``: one module a command, each with a `parser` and a `run`.

torch and what builds on it are imported only once the options are known to be sound, so that help and
complaints come at once.
"""

from hardest_metrics.cli.program import main

__all__ = ["main"]
