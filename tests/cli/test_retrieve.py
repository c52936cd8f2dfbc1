"""Ranking queries on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hardest_metrics.names import RETRIEVAL_SCORES, SIMILARITIES
from hardest_metrics.retrieval import (
    ASI,
    NDCG,
    AveragePrecision,
    HierarchicalAP,
    LevelAP,
    MAPAtR,
    PrecisionAt,
    RecallAt,
    RetrievalMetric,
    Role,
)
from tests.cli.commands import Run, ranking_of, save_embeddings
from tests.retrieval.examples import Examples, examples

METRICS: dict[str, Callable[[], RetrievalMetric[Any]]] = {
    "hierarchical_ap": HierarchicalAP,
    "average_precision": lambda: AveragePrecision(1),
    "map_at_r": lambda: MAPAtR(1),
    "precision_at": lambda: PrecisionAt(5, 1),
    "recall_at": lambda: RecallAt(5, 1),
    "level_ap": lambda: LevelAP(2),
    "ndcg": NDCG,
    "asi": ASI,
}


def save(folder: Path, name: str, given: Examples, ids: bool = True) -> list[Any]:
    """Files of embeddings and labels."""
    np.save(folder / f"{name}.npy", given.embeddings.numpy())
    header = [*(["image_id"] if ids else []), "fine", "middle", "coarse"]
    ids_of = given.image_ids.tolist()
    rows = [[*([ids_of[row]] if ids else []), *labels] for row, labels in enumerate(given.labels.tolist())]
    (folder / f"{name}.csv").write_text("\n".join([",".join(header), *(",".join(map(str, row)) for row in rows)]))
    return [folder / f"{name}.npy", folder / f"{name}.csv"]


def ranked(metric: RetrievalMetric[Any], *batches: tuple[Examples, Role]) -> list[tuple[int, float]]:
    for batch, role in batches:
        metric.update(batch.embeddings, batch.labels, batch.image_ids, role)
    ranking = metric.compute()
    return list(zip(ranking.image_ids.tolist(), [np.float32(h) for h in ranking.hardness.tolist()], strict=True))


@pytest.mark.parametrize("score", RETRIEVAL_SCORES)
def test_the_ranking_is_the_metric_s(tmp_path: Path, run: Run, score: str) -> None:
    given = examples()
    embeddings, labels = save(tmp_path, "set", given)
    code, printed, err = run("retrieve", "--embeddings", embeddings, "--labels", labels, "--score", score, "--level", 1,
                             "--k", 5, "--t", 2, "--out", tmp_path / "r.json")  # fmt: skip
    assert (code, err) == (0, "")
    metric = METRICS[score]()
    expected = ranked(metric, (given, "both"))
    assert [(one, np.float32(value)) for one, value in ranking_of(tmp_path / "r.json")] == expected
    assert f"61 queries, {metric.without_positives} without a positive left out, mean score" in printed
    assert f"by {metric!r}, cosine" in printed
    assert printed.endswith(f"Wrote {tmp_path / 'r.json'}\n")
    assert "middle" in printed


def test_queries_are_looked_up_in_a_gallery_and_do_not_find_themselves(tmp_path: Path, run: Run) -> None:
    given = examples()
    queries, gallery = given[:30], given[20:]
    embeddings, labels = save(tmp_path, "queries", queries)
    items, item_labels = save(tmp_path, "gallery", gallery)
    code, _, err = run("retrieve", "--embeddings", embeddings, "--labels", labels, "--gallery", items,
                       "--gallery-labels", item_labels, "--out", tmp_path / "r.json")  # fmt: skip
    assert (code, err) == (0, "")
    expected = ranked(HierarchicalAP(), (queries, "query"), (gallery, "gallery"))
    assert [(one, np.float32(value)) for one, value in ranking_of(tmp_path / "r.json")] == expected


def test_without_ids_images_are_numbered_and_nothing_in_a_gallery_is_a_query(tmp_path: Path, run: Run) -> None:
    given = examples()
    embeddings, labels = save(tmp_path, "set", given, ids=False)
    code, _, err = run("retrieve", "--embeddings", embeddings, "--labels", labels, "--gallery", embeddings,
                       "--gallery-labels", labels, "--out", tmp_path / "r.json")  # fmt: skip
    assert (code, err) == (0, "")
    queries = given.but(image_ids=torch.arange(61))
    expected = ranked(HierarchicalAP(), (queries, "query"), (given.but(image_ids=torch.arange(61) + 100), "gallery"))
    assert [(one, np.float32(value)) for one, value in ranking_of(tmp_path / "r.json")] == expected


def test_names_of_classes_and_files_are_shown_and_drawn(coco: Path, run: Run) -> None:
    save_embeddings(coco)
    out, grid = coco / "r.csv", coco / "grid.png"
    code, printed, err = run("retrieve", "--embeddings", coco / "embeddings.npy", "--labels", coco / "labels.csv",
                             "--out", out, "--images", coco / "images", "--grid", grid)  # fmt: skip
    assert (code, err) == (0, "")
    assert "--k 10 is more than the 3 items that are ranked" in printed
    assert "beagle" in printed
    assert "4 queries, 1 without a positive left out" in printed
    lines = out.read_text().splitlines()
    assert lines[0] == "rank,image_id,hardness,file_name"
    assert lines[1].startswith("1,2,0.4523")
    assert lines[1].endswith(",two.png")
    with Image.open(grid) as picture:
        assert picture.height > 3 * 160


def test_images_may_be_called_by_text(tmp_path: Path, run: Run) -> None:
    np.save(tmp_path / "e.npy", np.eye(3, dtype=np.float16))
    (tmp_path / "l.csv").write_text("label,image_id\nx,b\nx,a\ny,c\n")
    command = ("retrieve", "--embeddings", tmp_path / "e.npy", "--labels", tmp_path / "l.csv")
    assert run(*command, "--out", tmp_path / "r.json", "--levels", "label")[0] == 0
    assert {row["image_id"] for row in json.loads((tmp_path / "r.json").read_text())} == {"a", "b"}


def test_choices_are_those_of_the_functions() -> None:
    from typing import get_args

    from hardest_metrics.functional.retrieval import Similarity

    assert get_args(Similarity) == SIMILARITIES
    assert tuple(METRICS) == RETRIEVAL_SCORES


def spoiled(folder: Path, embeddings: Any = None, labels: str | None = None) -> None:
    if isinstance(embeddings, bytes):
        (folder / "embeddings.npy").write_bytes(embeddings)
    elif embeddings is not None:
        np.save(folder / "embeddings.npy", embeddings)
    if labels is not None:
        (folder / "labels.csv").write_text(labels)


TREE = "fine,coarse\n0,0\n1,0\n0,1\n2,1\n"


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        ({"embeddings": np.full((4, 2), np.nan)}, [], "--embeddings: row 0 holds NaN or infinity (4 such rows)"),
        ({"embeddings": np.full((4, 2), 1e300)}, [], "--embeddings: row 0 holds NaN or infinity"),
        ({"embeddings": np.eye(4, dtype=int)}, [], "but holds int64 of (4, 4)"),
        ({"embeddings": np.ones(4)}, [], "but holds float64 of (4,)"),
        ({"embeddings": np.array([{}])}, [], "is no array of numbers"),
        ({"embeddings": b"PK\3\4"}, [], "is no array of numbers"),
        ({"embeddings": b""}, [], "is no array of numbers"),
        ({"embeddings": np.eye(3)}, [], "embeddings.npy: has 3 rows, but "),
        ({"embeddings": np.eye(1), "labels": "a\n1\n"}, [], "is of one image, which has nothing to retrieve"),
        ({"labels": TREE}, [], "--labels are no tree: row 0 of --labels is [0, 0] and row 2 of --labels is [0, 1]"),
        ({"labels": "a\n1\n2\n3\n4\n"}, [], "none of 4 queries has a positive"),
        ({"labels": "image_id\n1\n2\n3\n4\n"}, [], "has the levels none"),
        ({"labels": "image_id,a\n1,1\n2,1\n1,1\n4,1\n"}, [], "line 4: 'image_id' is 1, as in line 2"),
        ({"labels": f"a\n1\n2\n3\n{2**63}\n"}, [], f"line 5: 'a' is {2**63}, beyond int64"),
        ({}, ["--levels", "breed", "color"], "no column 'color'"),
        ({}, ["--score", "average_precision", "--level", "3"], "needs labels of at least 4 levels, but they have 3"),
        ({}, ["--score", "ndcg", "--level", "-1", "--k", "0"], "--k must be at least 1"),
        ({}, ["--relevance", "1", "1"], "--relevance has 2 weights, but there are 3 levels"),
        ({}, ["--gallery", "embeddings.npy"], "--gallery and --gallery-labels belong together"),
        ({}, ["--grid", "grid.png"], "--grid and --images belong together"),
        ({}, ["--grid", "g.png", "--images", "images", "--top-k", "100"], "--grid would hold 900 images"),
        ({"labels": "a\n1\n1\n3\n4\n"}, ["--grid", "g.png", "--images", "images"], "no column 'file_name' or 'file'"),
        ({}, ["--out", "labels.csv"], "would overwrite a file of this very command"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(
    coco: Path, run: Run, monkeypatch: pytest.MonkeyPatch, spoil: dict[str, Any], options: list[str], message: str
) -> None:
    monkeypatch.chdir(coco)
    save_embeddings(coco)
    spoiled(coco, **spoil)
    code, out, err = run("retrieve", "--embeddings", "embeddings.npy", "--labels", "labels.csv", *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
