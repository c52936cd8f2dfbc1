"""Rankings as bytes, exactly."""

from hashlib import sha256

import numpy as np
import torch

from hardest_metrics.ranking import Ranking

_IMAGE = np.dtype([("image_id", "<i8"), ("hardness", "<f4")])


def encode(ranking: Ranking) -> bytes:
    """A ranking as bytes, 12 an image.

    Example:
        >>> decode(encode(Ranking(torch.tensor([7, 3]), torch.tensor([2.5, 1.0]))))
        Ranking(2 images, hardest first: 7 (2.5), 3 (1))
    """
    images = np.empty(len(ranking.image_ids), _IMAGE)
    images["image_id"], images["hardness"] = ranking.image_ids.cpu().numpy(), ranking.hardness.cpu().numpy()
    return images.tobytes()


def decode(content: bytes) -> Ranking:
    """The ranking that was encoded."""
    images = np.frombuffer(content, _IMAGE)
    return Ranking(torch.from_numpy(images["image_id"].copy()), torch.from_numpy(images["hardness"].copy()))


def ranking_hash(ranking: Ranking) -> str:
    """Equal for equal rankings, and for no others."""
    return sha256(encode(ranking)).hexdigest()
