"""Which model to start from: candidates scored for a target set, and the scores judged by what transfers reached."""

from hardest_metrics.transfer.judging import BASELINE, MEASURES, judged
from hardest_metrics.transfer.run import Scored, score_candidates
from hardest_metrics.transfer.scoring import SCORES, Scoring
from hardest_metrics.transfer.target_set import TargetSet, read_target_set

__all__ = [
    "BASELINE",
    "MEASURES",
    "SCORES",
    "Scored",
    "Scoring",
    "TargetSet",
    "judged",
    "read_target_set",
    "score_candidates",
]
