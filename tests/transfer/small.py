"""A small model of one's own, its weights, and a labelled set of pictures."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.detectors.small import save_pictures

N_IMAGES = 6
LAYERS = ["first", "second"]


class Small(nn.Module):
    """Two maps, of 6 and 4 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU())
        self.second = nn.Conv2d(6, 4, 3, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.second(self.first(images))
        return maps


def load(path: str) -> nn.Module:
    """As a user writes it: the command puts it into evaluation mode."""
    model = Small()
    model.load_state_dict(torch.load(path, weights_only=True))
    return model


def no_model(path: str) -> str:
    return path


NO_FUNCTION = 3


def save_small_weights(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    torch.save(Small().state_dict(), path)
    return path


def save_set(folder: Path, n_images: int = N_IMAGES) -> Path:
    """Pictures, and five objects of three classes on each: a COCO file."""
    save_pictures(folder / "images", n_images)
    random = torch.Generator().manual_seed(0)
    images, annotations = list[Any](), list[Any]()
    for number, file in enumerate(sorted((folder / "images").iterdir()), start=1):
        images.append({"id": number, "file_name": file.name})
        for _ in range(5):
            x, y, width, height = (torch.rand(4, generator=random) * torch.tensor([20, 20, 20, 15]) + 4).tolist()
            label = int(torch.randint(3, (), generator=random)) + 1
            annotations.append(
                {"id": len(annotations), "image_id": number, "category_id": label, "bbox": [x, y, width, height]}
            )
    categories = [{"id": label, "name": name} for label, name in enumerate(("cat", "dog", "owl"), start=1)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    path = folder / "target.json"
    path.write_text(json.dumps(document))
    return path
