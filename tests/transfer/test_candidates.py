"""Candidates by name."""

from pathlib import Path

import pytest

from hardest_metrics.detectors.load import read_weights
from hardest_metrics.transfer.candidates import candidate
from tests.detectors.small import MODEL, N_CLASSES, save_weights
from tests.transfer.small import Small, save_small_weights

OWN = "tests.transfer.small"


def test_a_function_gives_a_model_of_one_s_own(tmp_path: Path) -> None:
    weights = save_small_weights(tmp_path / "a.pt", seed=1)
    model = candidate(f"{OWN}:load", weights).load()
    assert isinstance(model, Small)
    assert not model.training
    for name, value in read_weights(weights).state_dict.items():
        assert model.state_dict()[name].equal(value)


def test_settings_tell_weights_and_models_apart(tmp_path: Path) -> None:
    files = [save_small_weights(tmp_path / f"{seed}.pt", seed) for seed in (0, 1)]
    (tmp_path / "copy.pt").write_bytes(files[0].read_bytes())
    first, second, copy = (candidate(f"{OWN}:load", path).settings for path in (*files, tmp_path / "copy.pt"))
    assert first == copy != second
    assert candidate(f"{OWN}:no_model", files[0]).settings != first


def test_a_detector_of_torchvision_goes_by_its_name(tmp_path: Path) -> None:
    weights = save_weights(tmp_path / "weights.pt")
    assert not candidate(MODEL, weights, N_CLASSES).load().training
    with pytest.raises(ValueError, match="that the weights were trained with"):
        candidate(MODEL, weights).load()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (f"{OWN}:nowhere", "cannot be imported"),
        ("no_such_module_at_all:load", "cannot be imported"),
        (f"{OWN}:", "must be module:function"),
        (":load", "must be module:function"),
        ("..tests:load", "must be module:function"),
        (f"{OWN}:NO_FUNCTION", "is a int. Give a function"),
        (f"{OWN}:no_model", "must give a torch.nn.Module, but gave a str"),
    ],
)
def test_what_is_no_function_is_named(tmp_path: Path, model: str, message: str) -> None:
    weights = save_small_weights(tmp_path / "a.pt", seed=0)
    with pytest.raises(ValueError, match=message):
        candidate(model, weights).load()


def test_weights_that_it_does_not_know_are_named(tmp_path: Path) -> None:
    weights = save_weights(tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt: `model` tests\.transfer\.small:load does not load it"):
        candidate(f"{OWN}:load", weights).load()
    with pytest.raises(ValueError, match="`num_classes` is of torchvision's detectors"):
        candidate(f"{OWN}:load", weights, 5)
