import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_convert

from hardest_metrics.data import read_annotations, read_detections, read_hardest_detections
from hardest_metrics.data.lock import alone
from hardest_metrics.detectors import Detected, WithLogits, detect
from hardest_metrics.detectors.image_files import folder_images, load_image
from hardest_metrics.detectors.load import load_detector, read_weights
from hardest_metrics.functional.detection.mask_packing import EncodedMasks
from tests.detectors.small import MODEL, N_CLASSES, save_pictures, save_weights, small_keypoint_rcnn, small_mask_rcnn

N_IMAGES = 7


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of pictures and weights."""
    save_weights(tmp_path / "weights.pt")
    save_pictures(tmp_path / "images", N_IMAGES)
    return tmp_path


def run(data: Path, out: str = "out.json", **options: Any) -> Detected:
    settings = {"num_classes": N_CLASSES, "score_threshold": 0.4, "batch_size": 3, "device": "cpu", **options}
    return detect(MODEL, data / "weights.pt", data / "images", data / out, **settings)


def expected(data: Path, batch_size: int = 3) -> list[dict[str, Tensor]]:
    model = WithLogits(load_detector(MODEL, read_weights(data / "weights.pt"), N_CLASSES, 0.4))
    images = [load_image(image) / 255 for image in folder_images(data / "images")]
    with torch.inference_mode():
        return [found for i in range(0, len(images), batch_size) for found in model(images[i : i + batch_size])]


def test_files_read_back_are_what_the_detector_gave(data: Path) -> None:
    detected = run(data, logits=data / "logits.json")
    assert detected.written == [data / name for name in ("out.json", "logits.json", "out.images.json")]
    assert not (data / "out.json.part").exists()

    images = read_annotations(data / "out.images.json")
    reference = expected(data)
    assert 20 < sum(len(image["scores"]) for image in reference) == detected.n_detections
    plain, with_logits = (read_detections(data / name, images) for name in ("out.json", "logits.json"))
    for model, coco, hardest in zip(reference, plain, with_logits, strict=True):
        boxes = box_convert(model["boxes"], "xyxy", "xywh").double()
        for found in (coco, hardest):
            assert torch.equal(found["boxes"], boxes)
            assert torch.equal(found["scores"].double(), model["scores"].double())
            assert torch.equal(found["labels"], model["labels"])
        assert torch.equal(hardest["logits"], model["logits"])
    assert len(read_hardest_detections(data / "logits.json")) == N_IMAGES


def test_images_numbered_by_name_are_listed_as_coco(data: Path) -> None:
    run(data)
    images = read_annotations(data / "out.images.json")
    assert images.image_ids == list(range(1, N_IMAGES + 1))
    assert images.file_names == [f"{index:02}.png" for index in range(N_IMAGES)]
    assert images.image_sizes[:2] == [(40, 60), (50, 45)]
    assert images.categories == {label: str(label) for label in range(N_CLASSES)}


def test_images_of_a_coco_file_keep_its_ids_and_order(data: Path) -> None:
    entries = [{"id": 10**12, "file_name": "03.png"}, {"id": 5, "file_name": "01.png", "height": 50, "width": 45}]
    (data / "info.json").write_text(json.dumps({"images": entries}))
    assert run(data, annotations=data / "info.json", batch_size=1).written == [data / "out.json"]
    found = {image["image_id"]: image for image in read_detections(data / "out.json")}
    reference = expected(data, 1)
    assert torch.equal(found[10**12]["scores"], reference[3]["scores"].double())
    assert torch.equal(found[5]["scores"], reference[1]["scores"].double())


def test_no_detections_at_all_are_an_empty_list(data: Path) -> None:
    assert run(data, score_threshold=1.0, logits=data / "logits.json").n_detections == 0
    assert json.loads((data / "out.json").read_text()) == []
    assert [len(image["scores"]) for image in read_detections(data / "logits.json")] == [0] * N_IMAGES


def test_an_unreadable_image_is_named_and_what_is_done_is_kept(data: Path) -> None:
    run(data, "whole.json")
    broken = data / "images" / "05.png"
    content = broken.read_bytes()
    broken.write_bytes(content[:50])
    with pytest.raises(ValueError, match=r"05\.png: not a picture that can be read .* after the 3 images done"):
        run(data)
    broken.write_bytes(content)
    assert run(data).n_resumed == 3
    assert (data / "out.json").read_bytes() == (data / "whole.json").read_bytes()


def test_work_goes_on_only_with_the_same_options_weights_and_images(data: Path) -> None:
    broken = data / "images" / "05.png"
    broken.write_bytes(b"")
    with pytest.raises(ValueError, match="not a picture"):
        run(data)
    with pytest.raises(ValueError, match=r"was begun with `score_threshold` 0\.4, not 0\.3"):
        run(data, score_threshold=0.3)
    with pytest.raises(ValueError, match="was begun with `logits` no, not yes"):
        run(data, logits=data / "logits.json")
    weights = (data / "weights.pt").read_bytes()
    save_weights(data / "weights.pt", seed=1)
    with pytest.raises(ValueError, match="was begun with `weights` sha256:"):
        run(data)
    (data / "weights.pt").write_bytes(weights)
    first = (data / "images" / "01.png").read_bytes()
    times = (data / "images" / "01.png").stat()
    (data / "images" / "01.png").write_bytes(first[:-1] + b" ")  # of the same length
    os.utime(data / "images" / "01.png", ns=(times.st_atime_ns, times.st_mtime_ns))  # and time
    with pytest.raises(ValueError, match=r"was begun with other `images` .* up to image 3 \(02\.png\)"):
        run(data)
    (data / "images" / "01.png").write_bytes(first)  # at another time
    broken.unlink()  # what is still to be done may change
    detected = run(data, batch_size=1)
    assert (detected.n_images, detected.n_resumed) == (N_IMAGES - 1, 3)


def test_one_run_at_a_time_writes_to_a_file(data: Path) -> None:
    for name in ("out.json", "out.images.json", "logits.json"):
        with (
            alone([data / name], lambda path: None),
            pytest.raises(ValueError, match=rf"{name}: another run is writing to it"),
        ):
            run(data, logits=data / "logits.json")
        assert not list(data.glob("out*"))
    run(data, logits=data / "logits.json")


def test_what_a_killed_run_left_half_written_is_removed(data: Path) -> None:
    (data / ".0123456789abcdef.tmp").write_bytes(b"half")
    run(data)
    assert sorted(path.name for path in data.iterdir()) == ["images", "out.images.json", "out.json", "weights.pt"]


def test_bad_arguments_are_refused_before_anything_is_written(data: Path) -> None:
    before = sorted(data.rglob("*"))
    with pytest.raises(ValueError, match="`batch_size` must be at least 1"):
        run(data, batch_size=0)
    with pytest.raises(ValueError, match="`device` is 'gpu'"):
        run(data, device="gpu")
    for name in ("out.json", "out.images.json"):
        with pytest.raises(ValueError, match="`logits` another name"):
            run(data, logits=data / name)
    assert sorted(data.rglob("*")) == before


def small_rcnn(monkeypatch: pytest.MonkeyPatch, model: Any, weights: Path) -> Any:
    """A small Mask or Keypoint R-CNN in place of torchvision's, and its weights in a file."""
    torch.save(model.state_dict(), weights)
    monkeypatch.setattr("hardest_metrics.detectors.load.get_model", lambda *_, **__: copy.deepcopy(model))
    return model


@pytest.mark.parametrize(
    ("iou_type", "name"), [("segm", "maskrcnn_resnet50_fpn"), ("keypoints", "keypointrcnn_resnet50_fpn")]
)
def test_masks_and_keypoints_read_back_are_what_the_detector_gave(
    iou_type: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_rcnn(
        monkeypatch, small_mask_rcnn() if iou_type == "segm" else small_keypoint_rcnn(), tmp_path / "weights.pt"
    )
    data = tmp_path
    save_pictures(data / "images", 3)
    settings: dict[str, Any] = {"num_classes": N_CLASSES, "score_threshold": 0.15, "device": "cpu", "batch_size": 1}
    given = name, data / "weights.pt", data / "images", data / "out.json"
    assert detect(*given, iou_type=iou_type, **settings, logits=data / "logits.json").n_detections > 5
    images = read_annotations(data / "out.images.json")
    model.roi_heads.score_thresh = 0.15
    with torch.inference_mode():
        reference = [model([load_image(image) / 255])[0] for image in folder_images(data / "images")]
    found = read_detections(data / "out.json", images, iou_type=iou_type)
    inside = 0
    for read, raw in zip(found, reference, strict=True):
        assert torch.equal(read["scores"], raw["scores"].double())
        if iou_type == "keypoints":
            assert torch.equal(read["keypoints"], raw["keypoints"].double())
        else:
            masks, size = EncodedMasks.of([read], 0, "preds")
            assert size is not None
            dense = torch.stack([masks.dense(size, place) for place in range(len(masks))])
            assert torch.equal(dense, raw["masks"][:, 0] > 0.5)
            inside += int(dense.sum())
    assert iou_type == "keypoints" or inside > 10

    detect(*given[:3], data / "boxes.json", **settings)
    assert {key for entry in json.loads((data / "boxes.json").read_text()) for key in entry} == {
        "image_id", "category_id", "bbox", "score",
    }  # fmt: skip


def test_shapes_that_a_detector_does_not_give_are_refused(data: Path) -> None:
    with pytest.raises(ValueError, match=f"`iou_type` is 'segm', which {MODEL} does not give"):
        run(data, iou_type="segm")
