"""From the images of a batch to ones that can be drawn."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hardest_metrics.callbacks.once import Once


class Pixels:
    """Turns images of a batch into bytes.

    Args:
        mean: of each channel, if images were normalised with ``(image - mean) / std``; needs `std`.
        std: of each channel, likewise.
        unnormalize: a function from an image of a batch to one with values in [0, 1], or uint8, in place of these.
        once: warns of images that look normalised.

    Raises:
        ValueError: if these do not go together.
    """

    def __init__(
        self,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        unnormalize: Callable[[Tensor], Tensor] | None,
        once: Once,
    ) -> None:
        if (mean is None) != (std is None):
            raise ValueError("`mean` and `std` belong together: give both or neither.")
        if mean is not None and std is not None and (len(mean) not in (1, 3) or len(std) != len(mean) or min(std) <= 0):
            raise ValueError(f"`mean` and `std` must be one or three numbers each, `std` above 0: {mean}, {std}.")
        if mean is not None and unnormalize is not None:
            raise ValueError("`unnormalize` already says what `mean` and `std` say: give one or the other.")
        self.mean, self.std, self.unnormalize = mean, std, unnormalize
        self._once = once

    def __call__(self, image: Tensor) -> Tensor:
        """``(3, H, W)`` or ``(1, H, W)`` uint8 on the CPU, of its own memory."""
        image = image.detach().as_subclass(Tensor)
        if self.unnormalize is not None:
            image = self.unnormalize(image)
        if image.ndim != 3 or image.shape[0] not in (1, 3):
            raise ValueError(
                f"{self._once.who} draws images of 3 channels or 1, but got one of shape {tuple(image.shape)}: pass a"
                " function `unnormalize` that makes it so."
            )
        if image.dtype != torch.uint8:
            image = image.float()
            if self.mean is not None and self.std is not None:
                mean, std = (image.new_tensor(values).reshape(-1, 1, 1) for values in (self.mean, self.std))
                image = image * std + mean
            if image.amin() < -0.05 or image.amax() > 1.05:
                self._once.warn(
                    "range", "draws images whose values leave [0, 1], as if normalised: pass `mean` and `std`, or"
                    " `unnormalize`."
                )  # fmt: skip
            image = image.clamp(0, 1).mul(255).round().to(torch.uint8)
        return image.cpu().clone()
