"""For how long images have been hard: what stays, what is new, what was solved."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Validation(NamedTuple):
    """Which images were hard in one validation.

    Attributes:
        epoch: of the training, from 0.
        step: optimizer steps taken.
        image_ids: ``(n,)`` int64.
    """

    epoch: int
    step: int
    image_ids: Tensor


class History:
    """The hard images of the last validations, one entry a validation.

    Two validations in one epoch are two entries; a validation that was skipped is none. An image is hard in a
    validation if it is among the hardest there and its hardness is above 0.

    Args:
        window: how many validations to keep.
    """

    def __init__(self, window: int = 10) -> None:
        self.window = window
        self.validations: list[Validation] = []

    def add(self, validation: Validation) -> None:
        """Add the newest validation and forget those that the window has passed."""
        self.validations = [*self.validations, validation][-max(self.window, 2) :]  # two tell what is new

    def counts(self, image_ids: Sequence[int]) -> list[int]:
        """In how many of the validations kept each image was hard."""
        hard = [set(validation.image_ids.tolist()) for validation in self.validations[-self.window :]]
        return [sum(image_id in ids for ids in hard) for image_id in image_ids]

    def statuses(self, image_ids: Sequence[int]) -> list[str]:
        """What the newest validation says of each image.

        ``"new"``: hard now, not in the validation before; ``"still"``: hard in both; ``"solved"``: hard in the
        one before, no longer; empty for other images.
        """
        now, before = (set(v.image_ids.tolist()) for v in ([*self.validations[::-1], _NOTHING, _NOTHING])[:2])
        of_pair = {(True, True): "still", (True, False): "new", (False, True): "solved", (False, False): ""}
        return [of_pair[image_id in now, image_id in before] for image_id in image_ids]

    def state_dict(self) -> list[dict[str, Any]]:
        """Plain ints and tensors."""
        return [validation._asdict() for validation in self.validations]

    def load_state_dict(self, state: list[dict[str, Any]]) -> None:
        """Go on from where :meth:`state_dict` was taken."""
        self.validations = [Validation(**validation) for validation in state][-max(self.window, 2) :]


_NOTHING = Validation(0, 0, torch.empty(0, dtype=torch.int64))


class Histories:
    """A history for each tag and set of images: of images that were never measured together nothing stays hard.

    Args:
        window: how many validations each keeps.
    """

    #: of how many sets a tag keeps the history: of those measured last
    MOST_SETS = 8

    def __init__(self, window: int = 10) -> None:
        self.window = window
        self._of_tag: dict[str, dict[str, History]] = {}

    def add(self, tag: str, image_ids: Tensor, validation: Validation) -> tuple[History, bool]:
        """Add the newest validation.

        Args:
            tag: names stage, metric and loader.
            image_ids: ``(N,)`` int64, of all images that were measured.
            validation: which of them were hard.

        Returns:
            The history of these images, and whether the tag was of other images so far.
        """
        of_sets = self._of_tag.setdefault(tag, {})
        key = hashlib.sha256(image_ids.cpu().sort().values.numpy().tobytes()).hexdigest()[:16]
        others = bool(of_sets) and key not in of_sets
        of_sets[key] = history = of_sets.pop(key, None) or History(self.window)  # the newest last
        history.add(validation)
        for oldest in list(of_sets)[: -self.MOST_SETS]:
            del of_sets[oldest]
        return history, others

    def state_dict(self) -> dict[str, Any]:
        """Plain ints and tensors, by tag and set of images."""
        return {
            tag: {key: history.state_dict() for key, history in of_sets.items()}
            for tag, of_sets in self._of_tag.items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where :meth:`state_dict` was taken."""
        for tag, of_sets in state.items():
            self._of_tag[tag] = {key: History(self.window) for key in of_sets}
            for key, history in self._of_tag[tag].items():
                history.load_state_dict(of_sets[key])
