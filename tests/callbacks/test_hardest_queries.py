"""After each validation the hardest queries are ranked, logged, written and drawn with what they retrieve."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from hardest_metrics import HardestQueries, HardnessCollection, TotalFalse
from hardest_metrics.data import Indexed
from hardest_metrics.plot import neighbours
from hardest_metrics.retrieval import NDCG, AveragePrecision, HierarchicalAP, adapter
from tests.callbacks.runs import ranked, rows, trainer

# Lightning warns of few workers and of its own and torch's deprecations.
pytestmark = pytest.mark.filterwarnings("default")

NUMBER = 26


def examples() -> tuple[Tensor, Tensor]:
    """Embeddings and labels of a tree of two levels; the class of the last image has no other one."""
    rng = torch.Generator().manual_seed(0)
    fine = torch.randint(6, (NUMBER,), generator=rng)
    fine[-1] = 6
    return torch.randn(NUMBER, 5, generator=rng), torch.stack((fine, fine // 3), 1)


class Embedding(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss: Tensor = self.weight.square().sum()
        return loss

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        embeddings, labels, image_id = batch
        return {"embeddings": embeddings, "labels": labels, "image_id": image_id}

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def loader(part: slice = slice(None)) -> DataLoader[Any]:
    whole = Indexed(TensorDataset(*examples()))
    return DataLoader(torch.utils.data.Subset(whole, range(NUMBER)[part]), 4)


def image_of(image_id: int) -> Tensor:
    return torch.full((3, 12, 16), 10 * image_id / 255)


def callback(**arguments: Any) -> HardestQueries:
    metrics = {"H-AP": HierarchicalAP(reduction="mean"), "AP": AveragePrecision()}
    return HardestQueries(metrics, images=image_of, top_k=3, neighbours=4, **arguments)


def expected(name: str) -> Any:
    metrics = HardnessCollection({"H-AP": HierarchicalAP(), "AP": AveragePrecision()})
    metrics.update(*examples(), torch.arange(NUMBER))
    return metrics.compute()[name]


def test_queries_are_ranked_logged_written_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logger = TensorBoardLogger(tmp_path, name="runs")
    run = trainer(tmp_path, callback(), logger=logger, enable_progress_bar=True, max_epochs=2)
    run.fit(Embedding(), loader(), loader())
    folder = tmp_path / "runs/version_0/hardest_queries"
    for name in ("H-AP", "AP"):
        table = folder / f"val-{name}-epoch=001-step=000003.csv"
        assert ranked(table) == list(zip(*(column.tolist() for column in expected(name)), strict=True))
        assert {row["status"] for row in rows(table)} == {"still", ""}
        with Image.open(table.with_suffix(".png")) as picture:
            assert picture.height > 3 * 160
            assert picture.width > 5 * 160
        score = run.callback_metrics[f"val/{name}/score"]
        assert score == pytest.approx(float(1 - expected(name).hardness.double().mean()), abs=1e-6)
    alone = int((examples()[1][:, 0].bincount() == 1).sum())
    assert alone
    assert run.callback_metrics["val/AP/without_positives"] == alone
    events = EventAccumulator(str(tmp_path / "runs/version_0"))
    events.Reload()
    assert "val/H-AP/hardest" in events.Tags()["images"]
    assert "val/H-AP/score" in events.Tags()["scalars"]
    assert "val/H-AP, epoch 1: mean" in capsys.readouterr().out


def test_a_gallery_may_come_from_a_loader_of_its_own(tmp_path: Path) -> None:
    run = trainer(tmp_path, callback(roles=("query", "gallery")))
    run.validate(Embedding(), [loader(slice(0, 10)), loader(slice(10, NUMBER))], verbose=False)
    metric = AveragePrecision()
    (embeddings, labels), ids = examples(), torch.arange(NUMBER)
    metric.update(embeddings[:10], labels[:10], ids[:10], role="query")
    metric.update(embeddings[10:], labels[10:], ids[10:], role="gallery")
    (table,) = (tmp_path / "hardest_queries").glob("val-AP-*.csv")
    assert ranked(table) == list(zip(*(column.tolist() for column in metric.compute()), strict=True))


def test_without_pictures_it_still_ranks(tmp_path: Path) -> None:
    trainer(tmp_path, HardestQueries(NDCG())).validate(Embedding(), loader(), verbose=False)
    assert len(list((tmp_path / "hardest_queries").glob("*.csv"))) == 1
    assert not list((tmp_path / "hardest_queries").glob("*.png"))


def test_pictures_come_from_a_data_set_by_id(tmp_path: Path) -> None:
    images = Indexed(TensorDataset(torch.stack([image_of(index) for index in range(NUMBER)])))
    trainer(tmp_path, HardestQueries(NDCG(), images=images, top_k=2)).validate(Embedding(), loader(), verbose=False)
    assert len(list((tmp_path / "hardest_queries").glob("*.png"))) == 1


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_rank_and_draw_as_one_does(tmp_path: Path, processes: int) -> None:
    alone, together = tmp_path / "one", tmp_path / "several"
    trainer(alone, callback()).validate(Embedding(), loader(), verbose=False)
    trainer(together, callback(), strategy="ddp_fork", devices=processes).validate(Embedding(), loader(), verbose=False)
    one, several = (
        {path.name: path.read_bytes() for path in (folder / "hardest_queries").iterdir()}
        for folder in (alone, together)
    )
    assert len(one) == 4
    assert several == one


def test_other_metrics_and_steps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="`metrics` must be of retrieval, but 'TotalFalse' is a TotalFalse"):
        HardestQueries(TotalFalse())
    with pytest.raises(TypeError, match="`images` must be a data set or a function from an id, but is a int"):
        HardestQueries(NDCG(), images=3)

    class Silent(Embedding):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            return None

    with pytest.raises(ValueError, match="HardestQueries finds no embeddings: the step returned nothing"):
        trainer(tmp_path, HardestQueries(NDCG())).validate(Silent(), loader(), verbose=False)


class Named(Embedding):
    """Calls images by text."""

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        embeddings, labels, image_id = batch
        return {"embeddings": embeddings, "labels": labels, "image_id": [f"{index}.jpg" for index in image_id.tolist()]}


def test_images_are_asked_for_as_the_steps_call_them_each_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def image(name: str) -> Tensor:
        asked.append(name)
        return image_of(int(name.removesuffix(".jpg")))

    shown = HardestQueries([NDCG(), AveragePrecision()], images=image, top_k=3, neighbours=4)
    trainer(tmp_path, shown).validate(Named(), loader(), verbose=False)
    assert len(list((tmp_path / "hardest_queries").glob("*.png"))) == 2
    assert len(set(asked)) == len(asked)
    (table,) = (tmp_path / "hardest_queries").glob("val-NDCG-*.csv")
    assert all(row["image_id"].endswith(".jpg") for row in rows(table))


def test_each_picture_says_the_rank_of_its_query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    draw = neighbours.draw_query

    def spy(query: Any, *arguments: Any) -> Any:
        drawn.append(query.caption)
        return draw(query, *arguments)

    monkeypatch.setattr(adapter, "draw_query", spy)
    trainer(tmp_path, HardestQueries(NDCG(), images=image_of, top_k=3)).validate(Embedding(), loader(), verbose=False)
    assert [caption.split(".")[0] for caption in drawn] == ["1", "2", "3"]
    assert all("hard in 1 of the last validations" in caption for caption in drawn)


def test_a_collection_may_have_a_prefix_and_a_loader_be_empty(tmp_path: Path) -> None:
    metrics = HardnessCollection([NDCG(), AveragePrecision()], prefix="p_")
    run = trainer(tmp_path, HardestQueries(metrics, images=image_of))
    run.validate(Embedding(), [loader(), loader(slice(0, 0))], verbose=False)
    assert len(list((tmp_path / "hardest_queries").glob("val-p_NDCG-*.png"))) == 1


def test_what_could_not_be_drawn_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`top_k` of 50 with 8 `neighbours` each are 450 images, .* at most 400"):
        HardestQueries(NDCG(), images=image_of, top_k=50)
    run = trainer(tmp_path, HardestQueries(NDCG()), HardestQueries(NDCG(metric="l2"), top_k=3))
    with pytest.raises(ValueError, match="Two HardestQueries have a metric 'NDCG'"):
        run.validate(Embedding(), loader(), verbose=False)
