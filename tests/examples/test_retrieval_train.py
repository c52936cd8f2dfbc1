"""Each published setting runs, on made-up images of its data set's layout."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from lightning.pytorch import LightningModule, Trainer
from PIL import Image
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

from examples.retrieval.model import ResNetEmbedder
from examples.retrieval.module import RetrievalModule, WarmUp, cosine
from examples.retrieval.train import RetrievalCLI, main
from hardest_metrics.losses import HAPPIERLoss

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "retrieval"

# Lightning and its command line warn of each other's and torch's deprecations, and of few workers.
pytestmark = pytest.mark.filterwarnings("default")


def save(paths: Sequence[Path]) -> None:
    random = np.random.default_rng(0)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (36, 40, 3), dtype=np.uint8)).save(path)


def online_products(folder: Path) -> None:
    """Three kinds of two products, four images each."""
    for split, first in (("train", 1), ("test", 7)):
        rows = [(first + n // 4, 1 + n // 8, f"kind{n // 8}_final/{split}_{n}.JPG") for n in range(24)]
        lines = [f"{n} {product} {kind} {path}" for n, (product, kind, path) in enumerate(rows, start=1)]
        (folder / f"Ebay_{split}.txt").write_text("\n".join(["image_id class_id super_class_id path", *lines]))
        save([folder / path for _, _, path in rows])


def inaturalist(folder: Path) -> None:
    """Eight species of four genera, two of them birds."""
    ranks = ("genus", "family", "order", "class", "phylum", "kingdom")
    categories = [
        {"id": n, "name": f"s{n}", "supercategory": f"group{n // 4}"}
        | {rank: f"{rank}{n // 2 if rank == 'genus' else n // 4}" for rank in ranks}
        for n in range(8)
    ]
    (folder / "train2018.json").write_text(json.dumps({"categories": categories}))
    (folder / "Inat_dataset_splits").mkdir()
    for split, species in (("train", (0, 2, 4, 6)), ("test", (1, 3, 5, 7))):
        paths = [f"train_val2018/group{n // 4}/{n}/{split}_{copy}.jpg" for n in species for copy in range(4)]
        (folder / "Inat_dataset_splits" / f"Inaturalist_{split}_set1.txt").write_text("\n".join([*paths, ""]))
        save([folder / path for path in paths])


def dyml(folder: Path) -> None:
    """Four classes of two groups of one, four images each."""
    for inner in ("train", "mini-bmk_all_in_one"):
        (folder / inner).mkdir()
        rows = [f"{n}.jpg, {n // 4}, {n // 8}, 0" for n in range(16)]
        (folder / inner / "label.csv").write_text("\n".join(["fname, fine_id0.jpg, middle_id, coarse_id", *rows]))
        save([folder / inner / "imgs" / f"{n}.jpg" for n in range(16)])
    for benchmark in ("bmk_fine", "bmk_middle", "bmk_coarse"):
        for side, count in (("query", 4), ("gallery", 8)):
            save([folder / benchmark / side / f"{n}.jpg" for n in range(count)])
            rows = [f"{n}.jpg,{n % 4}" for n in range(count)]
            (folder / benchmark / f"{side}.csv").write_text("\n".join(["fname, labels0.jpg", *rows]))


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "sop": online_products,
    "inat_base": inaturalist,
    "inat_full": inaturalist,
    "dyml_vehicle": dyml,
    "dyml_animal": dyml,
    "dyml_product": dyml,
}


@pytest.fixture(autouse=True)
def small_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line is given in the call, not by pytest's own; and whatever the ResNet, it is a shallow one."""
    monkeypatch.setattr("sys.argv", ["train"])
    monkeypatch.setattr(torchvision.models, "get_model", lambda name, weights: ResNet(BasicBlock, [1, 1, 1, 1]))


def run(name: str, folder: Path, *more: str) -> RetrievalCLI:
    """Two steps and a validation, of small images on the CPU."""
    small = [
        "--data.folder", str(folder), "--data.image_size", "32", "--data.batch_size", "8", "--data.per_class", "2",
        "--data.num_workers", "0", "--model.net.weights", "null",
        "--model.net.dim", "16", "--trainer.precision", "32-true", "--trainer.accelerator", "cpu",
        "--trainer.limit_train_batches", "2", "--trainer.max_epochs", "1", "--trainer.check_val_every_n_epoch", "1",
        "--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false",
        "--trainer.logger", "false", "--trainer.default_root_dir", str(folder / "run"),
    ]  # fmt: skip
    return main(["fit", "--config", str(EXAMPLES / f"{name}.yaml"), *small, *more])


def test_every_setting_is_tried() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == set(LAYOUTS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_published_setting_trains_and_validates(name: str, tmp_path: Path) -> None:
    LAYOUTS[name](tmp_path)
    cli = run(name, tmp_path)
    module, trainer = cli.model, cli.trainer
    assert trainer.global_step == 2
    found = trainer.callback_metrics
    sets = 3 if name in ("dyml_vehicle", "dyml_animal") else 1
    levels = {"sop": 2, "inat_base": 2, "inat_full": 7, "dyml_product": 3}.get(name, 1)
    for prefix in ("val",) if sets == 1 else (f"val/{n}" for n in range(sets)):
        assert 0 < found[f"{prefix}/H-AP"] <= 1
        assert f"{prefix}/R@1_level{levels - 1}" in found
    assert 0 < found["val/overall_mAP"] <= 1
    frozen = not all(parameter.requires_grad for parameter in module.net.backbone.parameters())
    assert frozen == (module.warm_up_epochs > 0)
    assert (tmp_path / "run").is_dir()


def test_settings_are_the_published_ones(tmp_path: Path) -> None:
    online_products(tmp_path)
    module = run("sop", tmp_path).model
    (optimizer,) = module.trainer.optimizers
    groups = [(group["initial_lr"], group["weight_decay"]) for group in optimizer.param_groups]
    assert groups == [(5e-5, 1e-4), (1e-4, 1e-4), (10.0, 0.0)]
    loss = module.loss
    assert isinstance(loss, HAPPIERLoss)
    assert loss.cluster.num_classes == 6
    (proxies,) = loss.parameters()
    assert optimizer.param_groups[2]["params"][0] is proxies
    assert cosine(10.0, 0.1, 100, 5)(105) == pytest.approx(0.01)


def test_a_missing_file_of_weights_is_named_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.pth: no such file\. Save torchvision's weights"):
        ResNetEmbedder("resnet18", tmp_path / "no.pth")


def test_weights_come_from_a_file(tmp_path: Path) -> None:
    network = ResNet(BasicBlock, [1, 1, 1, 1])
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    net = ResNetEmbedder("resnet18", tmp_path / "weights.pth", dim=8)
    (first, *_) = net.backbone.parameters()
    assert first.equal(network.conv1.weight)
    embeddings = net(torch.randn(2, 3, 32, 32))
    assert embeddings.shape == (2, 8)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(2))


def test_frozen_batch_normalisation_keeps_its_statistics() -> None:
    for freeze in (True, False):
        net = ResNetEmbedder("resnet18", dim=8, freeze_batch_norm=freeze).train()
        norm = next(module for module in net.modules() if isinstance(module, nn.BatchNorm2d))
        assert norm.running_mean is not None
        before = norm.running_mean.clone()
        net(torch.randn(2, 3, 32, 32))
        assert norm.running_mean.equal(before) == freeze
        assert norm.weight.requires_grad


def test_the_backbone_warms_up_and_then_learns(tmp_path: Path) -> None:
    online_products(tmp_path)
    weights: list[torch.Tensor] = []

    class Kept(WarmUp):
        def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            assert isinstance(pl_module, RetrievalModule)
            (first, *_) = pl_module.net.backbone.parameters()
            weights.append(first.detach().clone())

    cli = run("sop", tmp_path, "--trainer.callbacks", "null", "--trainer.limit_val_batches", "0")
    trainer = Trainer(
        accelerator="cpu", max_epochs=3, limit_train_batches=1, limit_val_batches=0, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, callbacks=[Kept(2)],
        use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(cli.model, cli.datamodule)
    assert weights[0].equal(weights[1])
    assert not weights[1].equal(weights[2])
