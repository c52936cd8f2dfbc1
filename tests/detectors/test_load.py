from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import detection, get_model_weights, list_models

from hardest_metrics.detectors import load
from hardest_metrics.detectors.load import default_num_classes, load_detector, read_weights
from tests.detectors.small import MODEL, N_CLASSES, detector, pictures, save_weights


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_weights(tmp_path_factory.mktemp("weights") / "small.pt")


def test_weights_end_up_in_the_detector(path: Path) -> None:
    weights = read_weights(path)
    model = load_detector(MODEL, weights, N_CLASSES, score_threshold=0.25)
    assert not model.training
    assert model.score_thresh == 0.25
    loaded = model.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in weights.state_dict.items())


def test_masks_are_left_out_and_boxes_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = detector("mask")
    torch.save(reference.state_dict(), tmp_path / "mask.pt")
    monkeypatch.setattr(load, "_build", lambda *_: detector("mask", seed=1))
    model = load_detector("maskrcnn", read_weights(tmp_path / "mask.pt"), score_threshold=0.1)
    with torch.inference_mode():
        for found, expected in zip(model(pictures()), reference(pictures()), strict=True):
            assert found.keys() == expected.keys() - {"masks"}
            assert all(torch.equal(found[key], expected[key]) for key in found)


def test_old_weights_of_torchvision_get_no_epsilon(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = read_weights(path)
    monkeypatch.setattr(load, "_WITHOUT_EPSILON", {weights.sha256[:8]})
    model = load_detector(MODEL, weights, N_CLASSES)
    assert {module.eps for module in model.modules() if isinstance(module, nn.BatchNorm2d)} == {0}


def test_old_weights_are_those_that_torchvision_knows() -> None:
    urls = [member.value.url for name in list_models(module=detection) for member in torch_weights(name)]
    assert {Path(url).stem.rpartition("-")[2] for url in urls} >= load._WITHOUT_EPSILON


def torch_weights(name: str) -> list[Any]:
    return list(get_model_weights(name))


def test_weights_without_counters_of_batches_fit(path: Path) -> None:
    weights = read_weights(path)
    old = {key: value for key, value in weights.state_dict.items() if not key.endswith("num_batches_tracked")}
    assert len(old) < len(weights.state_dict)
    load_detector(MODEL, weights._replace(state_dict=old), N_CLASSES)


@pytest.mark.parametrize("name", list_models(module=detection))
def test_the_default_number_of_classes_is_that_of_torchvisions_weights(name: str) -> None:
    categories = {len(weights.meta["categories"]) for weights in torch_weights(name)}
    assert categories == {default_num_classes(name)}


def test_weights_that_do_not_fit_are_named(path: Path) -> None:
    weights = read_weights(path)
    with pytest.raises(
        ValueError, match=r"small\.pt: does not fit .* of another shape \(head\.\S+ is \(30, .*, not \(18, "
    ):
        load_detector(MODEL, weights, 3)
    renamed = {f"model.{key}": value for key, value in weights.state_dict.items()}
    with pytest.raises(ValueError, match=r"missing \(backbone\.\S+, .*\.\.\.\); \d+ unexpected \(model\.backbone\."):
        load_detector(MODEL, weights._replace(state_dict=renamed), N_CLASSES)


def test_what_is_no_detector_is_refused(path: Path) -> None:
    weights = read_weights(path)
    with pytest.raises(ValueError, match=r"`model` is 'resnet18', which is no detector.* ssd300_vgg16"):
        load_detector("resnet18", weights)
    with pytest.raises(ValueError, match="`num_classes` must be at least 2"):
        load_detector(MODEL, weights, 1)
    with pytest.raises(ValueError, match=r"`score_threshold` must be in \[0, 1\]"):
        load_detector(MODEL, weights, N_CLASSES, 1.5)


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"weights\.pt: no weights that can be loaded without running code"):
        read_weights(path)
    torch.save(nn.Linear(1, 1), path)  # a pickled object, of which torch advises to run the code
    with pytest.raises(ValueError, match=r"without running code in the file\. Save them with torch\.save"):
        read_weights(path)
    torch.save({"model": {}, "epoch": 3}, path)
    with pytest.raises(ValueError, match=r"weights\.pt: holds model, epoch where tensors by name are expected"):
        read_weights(path)
    torch.save([1], path)
    with pytest.raises(ValueError, match=r"weights\.pt: holds a list where"):
        read_weights(path)
    torch.save({"weight": torch.tensor([1, float("nan")])}, path)
    with pytest.raises(ValueError, match=r"weights\.pt: weight has values that are not finite"):
        read_weights(path)
