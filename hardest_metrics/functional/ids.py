"""What stands for the id of an image that has none."""

import torch

#: Marks an image that was given without an `image_id`; no image may have it as its id.
NO_ID = torch.iinfo(torch.int64).min
