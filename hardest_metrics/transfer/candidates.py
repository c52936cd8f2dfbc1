"""Models by name, with weights from a file: torchvision's detectors, and those of a function of one's own."""

import inspect
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from torch import nn

from hardest_metrics.data.digest import content_digest
from hardest_metrics.data.json_file import PathLike
from hardest_metrics.detectors.load import default_num_classes, load_detector, read_weights


class Candidate(NamedTuple):
    """A model that may be started from, not loaded yet.

    Attributes:
        weights: the file.
        settings: what tells it from others, JSON values by name.
        load: gives the model, in evaluation mode.
    """

    weights: PathLike
    settings: dict[str, Any]
    load: Callable[[], nn.Module]


def candidate(model: str, weights: PathLike, num_classes: int | None = None) -> Candidate:
    """A candidate.

    Args:
        model: one of ``torchvision.models.list_models(module=torchvision.models.detection)``; or ``module:function``,
            a function that takes the path of a file of weights and gives a ``torch.nn.Module`` that takes float images
            in [0, 1]. The module is looked for in the folder that one works in, too.
        weights: the file.
        num_classes: of torchvision's detector, background included; by default 91, 2 for Keypoint R-CNN.

    Raises:
        OSError: when a file cannot be read.
        ValueError: when there is no such model, or the weights are not for it.
    """
    if ":" not in model:
        number = default_num_classes(model) if num_classes is None else num_classes
        # read twice: what is wrong is said at once, and only one candidate is in memory at a time
        settings = {"model": model, "weights": read_weights(weights).sha256, "num_classes": number}
        return Candidate(weights, settings, lambda: load_detector(model, read_weights(weights), number))
    if num_classes is not None:
        raise ValueError(f"`num_classes` is of torchvision's detectors, but `model` is {model!r}. Leave it out.")
    function = _function(model)
    # only the function's own file: what it imports may be anything, and changes seldom
    settings = {"model": model, "code": _digest_of_source(function), "weights": content_digest(weights)}
    return Candidate(weights, settings, lambda: _called(function, model, weights))


def _function(model: str) -> Callable[[str], Any]:
    module, _, name = model.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        raise ValueError(f"`model` must be module:function, such as my_models.load:detector, but is {model!r}.")
    if os.getcwd() not in sys.path:  # noqa: PTH109 - as sys.path has it
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        function: Any = getattr(import_module(module), name)
    except (AttributeError, ImportError, SyntaxError) as error:
        raise ValueError(f"`model` is {model!r}, which cannot be imported ({error}). Check both names.") from error
    if not callable(function):
        raise ValueError(f"`model` is {model!r}, which is a {type(function).__name__}. Give a function of a path.")
    return function  # type: ignore[no-any-return]


def _digest_of_source(function: Callable[..., Any]) -> str | None:
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:  # built in
        return None
    return None if file is None else content_digest(file)


def _called(function: Callable[[str], Any], model: str, weights: PathLike) -> nn.Module:
    try:
        made = function(os.fspath(weights))
    except Exception as error:  # it is the user's, and may raise anything
        raise ValueError(
            f"{weights}: `model` {model} does not load it ({type(error).__name__}: {error}). Give weights of it."
        ) from error
    if not isinstance(made, nn.Module):
        raise ValueError(f"`model` {model} must give a torch.nn.Module, but gave a {type(made).__name__}.")
    return made.eval()
