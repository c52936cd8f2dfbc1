"""What is timed is right: the errors of each image are those that pycocotools finds."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torchmetrics import MetricCollection

from benchmarks.peers import Native, confident, pycocotools
from benchmarks.workloads import Scenes
from hardest_metrics import HardnessMetric, Ranking, TotalFalse
from hardest_metrics.detection import WitnessHardness
from hardest_metrics.functional import Query, pack
from hardest_metrics.functional.detection.estimation import ScoreSampler
from hardest_metrics.functional.detection.packing import ImageDict


def hardness(ranking: Ranking) -> dict[int, float]:
    """By image id."""
    return dict(zip(ranking.image_ids.tolist(), ranking.hardness.tolist(), strict=True))


def equal(what: str, found: Mapping[int, float], expected: Mapping[int, float]) -> None:
    """Leave the program if two hardnesses of the same images differ."""
    different = [image_id for image_id in expected if found.get(image_id) != expected[image_id]]
    if different or len(found) != len(expected):
        image_id = different[0] if different else next(iter(found.keys() - expected.keys()))
        sys.exit(
            f"{what}: image {image_id} has {found.get(image_id)} errors, but pycocotools finds"
            f" {expected.get(image_id)}; {len(different)} images differ. Nothing wrong is timed."
        )


def as_pycocotools(what: str, scenes: Scenes, max_detections: int = 100) -> dict[int, float]:
    """Check a definition on a set, and give its hardness."""
    metric = TotalFalse(max_detections=max_detections)
    metric.update(scenes.preds, scenes.target)
    found = hardness(metric.compute())
    equal(what, found, pycocotools(Native.of(confident(scenes)), max_detections))
    return found


def sampling_as_pycocotools(scenes: Scenes, metric: HardnessMetric[Any], n_samples: int) -> None:
    """Check that score sampling is the mean over samples that pycocotools matches one by one."""
    metric.update(scenes.preds, scenes.target)
    found = hardness(metric.compute())
    batch = pack(scenes.preds, scenes.target)
    objects = ScoreSampler()(batch, torch.arange(n_samples))
    totals = dict.fromkeys(found, 0.0)
    for sample in range(n_samples):
        target = []
        for place, image in enumerate(scenes.target):
            here = (objects.sample == sample) & (objects.image == place)
            source = objects.source[here]
            # the boxes as the detector gave them, so that the reference converts them itself
            first = sum(len(pred["labels"]) for pred in scenes.preds[:place])
            labels = objects.labels[here]
            target.append({
                **image,
                "boxes": scenes.preds[place]["boxes"][source - first],
                "labels": labels,
                "iscrowd": torch.zeros_like(labels),
            })  # fmt: skip
        for image_id, errors in pycocotools(Native.of(confident(Scenes(scenes.preds, target)))).items():
            totals[image_id] += errors
    means = {image_id: total / n_samples for image_id, total in totals.items()}
    equal(
        "score sampling", {i: round(value, 4) for i, value in found.items()}, {i: round(v, 4) for i, v in means.items()}
    )


def witness_as_alone(scenes: Scenes, witness: Sequence[ImageDict]) -> None:
    """Check that estimates with a witness are, image by image, those of that image alone."""
    together = WitnessHardness(TotalFalse())
    together.update(scenes.preds, scenes.target, [witness])
    found = hardness(together.compute())
    for place, image in enumerate(scenes.batches(1)):
        alone = WitnessHardness(TotalFalse())
        alone.update(image.preds, image.target, [witness[place : place + 1]])
        for image_id, expected in hardness(alone.compute()).items():
            if abs(found[image_id] - expected) > 1e-4 * max(expected, 1):
                sys.exit(f"with a witness: image {image_id} has {found[image_id]}, but {expected} by itself.")


def expectation_as_by_hand(scenes: Scenes, metric: HardnessMetric[Any]) -> None:
    """Check the closed form against the sum that defines it, image by image."""
    metric.update(scenes.preds, scenes.target)
    found = hardness(metric.compute())
    for pred, target in zip(scenes.preds, scenes.target, strict=True):
        score = pred["scores"].double()
        # of each label only the hundred of highest score take part
        expected = float(torch.where(score >= Query().lowest_score, 1 - score, score).sum())
        if abs(found[target["image_id"]] - expected) > 1e-4 * max(expected, 1):
            sys.exit(f"expected hardness: image {target['image_id']} has {found[target['image_id']]}, not {expected}.")


def collection_as_alone(collection: MetricCollection, scenes: Scenes) -> None:
    """Check that the members of a collection give what each gives alone."""
    alone = {name: metric.clone() for name, metric in collection.items()}
    together = collection.clone()
    for batch in scenes.batches(16):
        together.update(batch.preds, batch.target)
        for metric in alone.values():
            metric.update(batch.preds, batch.target)
    results = together.compute()
    for name, metric in alone.items():
        if results[name] != metric.compute():
            sys.exit(f"{name} gives another ranking in a collection than alone.")
