"""What definitions, weightings and estimators are called on a command line, in tables and in files.

Nothing is imported here, so that help comes at once; :mod:`hardest_metrics.detection.naming` makes metrics of names.
"""

DEFINITIONS = ("false_positives", "false_negatives", "total_false")

WEIGHTINGS = ("none", "pixel", "overlap")

#: Definitions of classified images.
CLASSIFIED = ("cross_entropy", "margin", "logit_margin", "confidence", "el2n", "top1_miss", "top5_miss")

CLASSIFIED_WITHOUT_LABELS = ("entropy", "least_confidence", "two_best_gap")

#: Those that go by other detectors.
COMMITTEES = ("committee", "sampled_committee")

#: Those that go by logits, which COCO results do not hold.
OF_LOGITS = ("entropy", "evidential")

#: The detector's own uncertainty, whatever the definition.
UNCERTAINTIES = (*OF_LOGITS, "binary_entropy", "binary_evidential", "max_uncertainty")

#: Those that go by other detectors beside the detector itself.
WITNESS = "witness"

#: All that other detectors' boxes are needed for.
OF_OTHERS = (*COMMITTEES, WITNESS)

ESTIMATORS = ("score_sampling", "fast_score_sampling", "expected_hardness", *OF_OTHERS, *UNCERTAINTIES)

#: That an estimator may draw: more take hours, and their errors are below a thousandth anyway.
MOST_SAMPLES = 1_000_000

STATISTICS = ("mean", "std", "bound", "interval")

CALIBRATIONS = ("platt", "temperature", "isotonic")

#: Of retrieval, by which queries are ranked.
RETRIEVAL_SCORES = (
    "hierarchical_ap", "average_precision", "map_at_r", "precision_at", "recall_at", "level_ap", "ndcg", "asi",
)  # fmt: skip

#: How well scores of transferability choose among candidates, and how each measure is written.
SELECTION_MEASURES = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "kendall": "Kendall",
    "weighted_kendall": "weighted Kendall",
    "regret": "regret",
}

#: How embeddings are compared.
SIMILARITIES = ("cosine", "inner_product", "l2")
