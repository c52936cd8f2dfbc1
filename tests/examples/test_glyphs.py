"""The glyphs, and the training that is compared on them."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from examples.retrieval.compare import main
from examples.retrieval.evaluation import Embedded, means
from examples.retrieval.glyphs import CHARACTERS, FONTS, GlyphData, Glyphs
from hardest_metrics.data import HierarchicalImage, HierarchicalImages
from hardest_metrics.functional.retrieval import score_queries

# Lightning warns of torch's deprecations, and of few workers.
pytestmark = pytest.mark.filterwarnings("default")


def test_fonts_to_be_judged_by_were_never_seen() -> None:
    assert not set(FONTS["train"]) & set(FONTS["val"])
    assert (len(FONTS["train"]), len(FONTS["val"])) == (16, 5)


def test_glyphs_are_a_tree_of_three_levels() -> None:
    val = Glyphs("val")
    assert len(val) == 1240
    assert [len(level.unique()) for level in val.labels.T] == [62, 36, 2]
    named = {
        tuple(names[label] for names, label in zip(val.class_names, row, strict=True)) for row in val.labels.tolist()
    }
    assert {("a", "A", "letter"), ("A", "A", "letter"), ("7", "7", "digit")} <= named
    assert len(named) == len(CHARACTERS)


def test_every_glyph_has_ink_and_is_the_same_in_every_run() -> None:
    first, again = Glyphs("val"), Glyphs("val")
    assert first.pixels.equal(again.pixels)
    assert first.pixels.shape == (1240, 1, 32, 32)
    assert ((first.pixels >= 0) & (first.pixels <= 1)).all()
    assert (first.pixels.flatten(1).amax(1) > 0.5).all()
    assert len(first.pixels.unique(dim=0)) == 1240


def test_batches_hold_four_of_a_character() -> None:
    data = GlyphData(batch_size=32)
    assert len(data.train) == 5952
    batch: HierarchicalImage = next(iter(data.train_dataloader()))
    assert (batch.labels[:, 0].unique(return_counts=True)[1] == 4).all()


def test_embeddings_are_scored_in_the_order_of_the_set(tmp_path: Path) -> None:
    labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1], [1, 0]])
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    files = [tmp_path / f"{n}.png" for n in range(6)]
    for n_queries in (None, 2):
        embedded = Embedded(HierarchicalImages(files, labels, n_queries=n_queries))
        for rows in ([4, 0, 3], [5, 1, 2]):
            embedded.add(x[rows], HierarchicalImage(None, labels[rows], torch.tensor(rows)))  # type: ignore[arg-type]
        apart = n_queries is not None
        gallery, gallery_labels = (x[2:], labels[2:]) if apart else (None, None)
        expected = score_queries(
            x[:n_queries], labels[:n_queries], k=[1], gallery=gallery, gallery_labels=gallery_labels
        )
        found = embedded.scores(k=[1, 10])
        torch.testing.assert_close(found.hierarchical_ap, expected.hierarchical_ap, equal_nan=True)
        assert means(found)["H-AP"] == pytest.approx(expected.hierarchical_ap.nanmean().item())
        assert "R@1_level1" in means(found)
        assert "R@10_level1" not in means(found)


def test_both_losses_train_and_the_hardest_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = main(["--steps", "2", "--seeds", "1", "--out", str(tmp_path / "out")])
    assert [len(values) for values in found.values()] == [1, 1]
    assert all(0 < value < 1 for values in found.values() for value in values)
    out = capsys.readouterr().out
    assert "0.9 H-AP + 0.1 cluster loss, seed 0: H-AP" in out
    with Image.open(tmp_path / "out" / "hardest.png") as picture:
        assert picture.height > 10 * 96
