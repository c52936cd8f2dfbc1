"""Adapters, against the packages that they are for, with tiny models of random weights."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.ops import box_convert

from hardest_metrics import TotalFalse
from hardest_metrics.callbacks import HardestImages, Inputs
from hardest_metrics.callbacks.adapters import from_rfdetr, from_rows, from_transformers
from hardest_metrics.data import image_number

SIZES = [(60, 80), (90, 50)]  # height, width
BOXES = [[[10.0, 10, 30, 30], [40, 20, 25, 31.5]], [[5.0, 40, 40, 45]]]  # x, y, width, height
LABELS = [[2, 0], [1]]
IDS = [7, 2**40]


def package(name: str) -> Any:
    """A package of the test extra; the test is skipped where it is absent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what packages say of each other when they are imported
        return pytest.importorskip(name)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name, value in {"HF_HUB_OFFLINE": "1", "YOLO_OFFLINE": "1", "YOLO_CONFIG_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        yield


def pictures() -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (*size, 3), dtype=np.uint8) for size in SIZES]


def annotations() -> list[dict[str, Any]]:
    """In the format of COCO; of the second box of the first image only a part is object."""
    return [
        {
            "image_id": image_id,
            "annotations": [
                {"bbox": box, "category_id": label, "area": box[2] * box[3] / (1 + k), "iscrowd": 0}
                for k, (box, label) in enumerate(zip(boxes, labels, strict=True))
            ],
        }
        for image_id, boxes, labels in zip(IDS, BOXES, LABELS, strict=True)
    ]


def check_target(inputs: Inputs) -> None:
    """Whatever was done to the images, labels are those of the annotations."""
    assert inputs.target is not None
    for index, target in enumerate(inputs.target):
        expected = torch.tensor(BOXES[index])
        xywh = box_convert(target["boxes"], "xyxy", "xywh")
        torch.testing.assert_close(xywh, expected, atol=2e-3, rtol=1e-4)
        assert target["labels"].tolist() == LABELS[index]
        assert int(target["image_id"]) == IDS[index]
        assert target["image_size"] == SIZES[index]
        if "area" in target:
            areas = expected[:, 2:].prod(1) / torch.arange(1, len(expected) + 1)
            torch.testing.assert_close(target["area"], areas, atol=0.5, rtol=0.02)
            assert target["iscrowd"].tolist() == [0] * len(expected)
    assert inputs.images is not None
    assert [tuple(image.shape) for image in inputs.images] == [(3, *size) for size in SIZES]


def hardness(inputs: Inputs, **options: Any) -> list[float]:
    metric = TotalFalse(**options)
    metric.update(inputs.preds, inputs.target or [])
    ranking = metric.compute()
    by_id = dict(zip(*(column.tolist() for column in ranking), strict=True))
    return [by_id[image_id] for image_id in IDS]


# transformers

SMALL = {
    "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "num_queries": 8, "num_labels": 3,
}  # fmt: skip


def detr(name: str) -> tuple[Any, Any]:
    """A model and its processor."""
    hf = package("transformers")
    torch.manual_seed(0)
    backbone: dict[str, Any] = {"embedding_size": 8, "depths": [1, 1, 1, 1], "layer_type": "basic"}
    if name == "RTDetr":
        features = {"hidden_sizes": [8, 16, 24, 32], "out_features": ["stage2", "stage3", "stage4"]}
        config = hf.RTDetrConfig(
            **SMALL, backbone_config=hf.RTDetrResNetConfig(**backbone, **features), encoder_hidden_dim=16,
            encoder_in_channels=[16, 24, 32], decoder_in_channels=[16, 16, 16], num_denoising=0,
        )  # fmt: skip
        return hf.RTDetrForObjectDetection(config).eval(), hf.RTDetrImageProcessor(size={"height": 64, "width": 64})
    features = {"hidden_sizes": [8, 8, 8, 8], "out_features": ["stage4"]}
    config = getattr(hf, f"{name}Config")(
        **SMALL, backbone_config=hf.ResNetConfig(**backbone, **features), use_timm_backbone=False, backbone=None,
        use_pretrained_backbone=False,
    )  # fmt: skip
    processor = getattr(hf, f"{name}ImageProcessor")(size={"shortest_edge": 64, "longest_edge": 128})
    return getattr(hf, f"{name}ForObjectDetection")(config).eval(), processor


def perfect(labels: Sequence[Mapping[str, Tensor]], softmax: bool) -> dict[str, Tensor]:
    """What a model that has learnt everything gives: of each object a box, all others nothing."""
    logits = torch.full((len(labels), 8, 3 + softmax), -12.0)
    boxes = torch.full((len(labels), 8, 4), 0.5)
    if softmax:
        logits[..., -1] = 12
    for index, one in enumerate(labels):
        number = len(one["boxes"])
        logits[index, torch.arange(number), one["class_labels"]] = 4.0
        if softmax:
            logits[index, :number, -1] = -12
        boxes[index, :number] = one["boxes"]
    return {"logits": logits, "pred_boxes": boxes}


@pytest.mark.parametrize("name", ["Detr", "ConditionalDetr", "RTDetr"])
@pytest.mark.parametrize("padded", ["by the processor", "by collate"])
def test_heads_of_transformers_are_read_as_their_processor_reads_them(name: str, padded: str) -> None:
    """A sigmoid head has no class for nothing: read as a softmax, its last class is lost."""
    model, processor = detr(name)
    if padded == "by the processor":
        batch = dict(processor(images=pictures(), annotations=annotations(), return_tensors="pt"))
    else:
        single = [
            processor(images=image, annotations=one, return_tensors="pt")
            for image, one in zip(pictures(), annotations(), strict=True)
        ]
        images = [one["pixel_values"][0] for one in single]
        batch = {"labels": [one["labels"][0] for one in single]}
        height, width = (max(image.shape[side] for image in images) for side in (1, 2))
        batch["pixel_values"] = torch.stack(
            [torch.nn.functional.pad(i, (0, width - i.shape[2], 0, height - i.shape[1])) for i in images]
        )
        batch["pixel_mask"] = torch.zeros(len(images), height, width, dtype=torch.int64)
        for mask, image in zip(batch["pixel_mask"], images, strict=True):
            mask[: image.shape[1], : image.shape[2]] = 1
    to_inputs = from_transformers(processor)

    learnt = to_inputs(perfect(batch["labels"], softmax=name == "Detr"), batch)
    check_target(learnt)
    assert hardness(learnt, iou_threshold=0.99) == [0, 0]
    # 30 x 30 is small, whatever the network's image is
    assert hardness(learnt._replace(preds=[{**one, "scores": one["scores"] * 0.1} for one in learnt.preds]),
                    area_range="small") == [2, 0]  # fmt: skip

    with torch.no_grad():
        outputs = model(**{key: batch[key] for key in ("pixel_values", "pixel_mask") if key in batch})
    inputs = to_inputs(outputs, batch)
    units = torch.tensor([[size[0], size[1]] for size in SIZES])
    if padded == "by collate":  # else boxes are a share of the padding, too
        theirs = processor.post_process_object_detection(outputs, threshold=0.0, target_sizes=units)
        for ours, expected in zip(inputs.preds, theirs, strict=True):
            for key in ("boxes", "scores", "labels"):
                torch.testing.assert_close(ours[key], expected[key], rtol=1e-4, atol=1e-3)
    assert all(map(np.isfinite, hardness(inputs, score_threshold=0.0)))


def test_transformers_predict_without_labels() -> None:
    model, processor = detr("RTDetr")
    batch = dict(processor(images=pictures(), return_tensors="pt"))
    with torch.no_grad():
        outputs = model(batch["pixel_values"])
    known = [{"image_id": i, "orig_size": torch.tensor(size)} for i, size in zip(IDS, SIZES, strict=True)]
    inputs = from_transformers(processor)(outputs, batch | {"labels": known})
    assert inputs.target == [{"image_id": i, "image_size": size} for i, size in zip(IDS, SIZES, strict=True)]
    assert inputs.preds[0]["boxes"].max() > 64
    unknown = from_transformers(processor)(outputs, batch)
    assert unknown.target == [{"image_size": (64, 64)}] * 2


def test_a_run_of_transformers_shows_its_hardest_images(tmp_path: Path) -> None:
    model, processor = detr("RTDetr")

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def validation_step(self, batch: Any, index: int) -> Any:
            return self.model(batch["pixel_values"])

    def collate(batch: Any) -> Any:
        images, of_images = zip(*batch, strict=True)
        return dict(processor(images=list(images), annotations=list(of_images), return_tensors="pt"))

    samples: Any = list(zip(pictures(), annotations(), strict=True))
    loader: torch.utils.data.DataLoader[Any] = torch.utils.data.DataLoader(samples, 2, collate_fn=collate)
    callback = HardestImages(TotalFalse(), to_inputs=from_transformers(processor), top_k=2, dirpath=tmp_path / "out")
    trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False, callbacks=[callback],
        default_root_dir=tmp_path,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.validate(Module(), loader, verbose=False)
    (pngs,) = [list((tmp_path / "out").rglob("*.png"))]
    assert len(pngs) == 1
    assert next((tmp_path / "out").rglob("*.csv")).read_text().count("\n") == 3


# transformers, masks


def masks_of_boxes(index: int) -> Tensor:
    """Ellipses in the boxes of an image."""
    height, width = SIZES[index]
    y, x = torch.arange(height)[:, None], torch.arange(width)
    return torch.stack(
        [
            ((x - left - w / 2) / (w / 2)) ** 2 + ((y - top - h / 2) / (h / 2)) ** 2 <= 1
            for left, top, w, h in BOXES[index]
        ]
    )


def segmenter(name: str) -> tuple[Any, dict[str, Any], dict[str, Tensor]]:
    """A processor of `transformers`, its batch of padded images, and what a model that has learnt everything gives."""
    hf = package("transformers")
    queries, classes = 8, 3
    logits = torch.full((2, queries, classes + 1), -12.0)
    logits[..., -1] = 12
    if name == "Detr":
        processor = hf.DetrImageProcessor(size={"shortest_edge": 96, "longest_edge": 192})
        batch = dict(processor(images=pictures(), annotations=annotations(), return_tensors="pt"))
    else:
        processor = getattr(hf, f"{name}ImageProcessor")(
            size={"shortest_edge": 96, "longest_edge": 192}, size_divisor=32, ignore_index=255
        )
        maps, names = [], []
        for index, labels in enumerate(LABELS):
            ids = torch.full(SIZES[index], 255)
            for number, mask in enumerate(masks_of_boxes(index), start=1):
                ids[mask] = number
            maps.append(ids.numpy())
            names.append(dict(enumerate(labels, start=1)))
        batch = dict(processor(
            images=pictures(), segmentation_maps=maps, instance_id_to_semantic_id=names, return_tensors="pt"
        ))  # fmt: skip
        batch["labels"] = [{"image_id": i, "orig_size": size} for i, size in zip(IDS, SIZES, strict=True)]
    whole = batch["pixel_values"].shape[-2:]
    masks = torch.full((2, queries, *whole), -12.0)
    for index, labels in enumerate(LABELS):
        inside = batch["pixel_mask"][index].bool()
        filled = int(inside.any(1).sum()), int(inside.any(0).sum())
        shrunk = torch.nn.functional.interpolate(masks_of_boxes(index)[None].float(), filled, mode="nearest")[0] > 0.5
        masks[index, : len(labels), : filled[0], : filled[1]][shrunk] = 12
        logits[index, torch.arange(len(labels)), torch.tensor(labels)] = 12.0
        logits[index, : len(labels), -1] = -12
    if name == "Detr":
        for index, one in enumerate(batch["labels"]):
            one["masks"] = masks[index, : len(LABELS[index])] > 0
        # its map gives each pixel to an object, so that it needs one for what is none
        masks[:, -1] = -masks[:, :-1].amax(1)
        logits[:, -1, 1], logits[:, -1, -1] = 12, -12
        return processor, batch, {"logits": logits, "pred_masks": masks}
    return processor, batch, {"class_queries_logits": logits, "masks_queries_logits": masks}


@pytest.mark.parametrize("name", ["Detr", "MaskFormer", "Mask2Former"])
def test_masks_of_transformers_go_back_to_the_images_as_they_were(name: str) -> None:
    processor, batch, learnt = segmenter(name)
    to_inputs = from_transformers(processor, iou_type="segm")
    inputs = to_inputs(learnt, batch)
    assert inputs.target is not None
    for index, (found, target) in enumerate(zip(inputs.preds, inputs.target, strict=True)):
        assert found["masks"].shape[1:] == target["masks"].shape[1:] == SIZES[index]
        for mask, label in zip(masks_of_boxes(index), LABELS[index], strict=True):
            for side in (found, target):
                alike = (side["masks"] & mask).sum((1, 2)) / (side["masks"] | mask).sum((1, 2))
                assert float(alike[side["labels"] == label].max()) > 0.85
    settings: dict[str, Any] = {"iou_type": "segm", "iou_threshold": 0.8}
    assert hardness(inputs, **settings) == ([1, 1] if name == "Detr" else [0, 0])

    logits, masks = learnt  # by their names
    nothing = {logits: torch.full_like(learnt[logits], -12.0), masks: torch.full_like(learnt[masks], -12.0)}
    nothing[logits][..., -1] = 12
    lost = to_inputs(nothing, batch)
    assert [one["masks"].shape for one in lost.preds] == [(0, *size) for size in SIZES]
    assert hardness(lost, **settings) == [2, 1]


def test_transformers_of_keypoints_are_refused() -> None:
    with pytest.raises(ValueError, match="'keypoints', which this does not read"):
        from_transformers(SimpleNamespace(), iou_type="keypoints")


# rfdetr


def rfdetr(folder: Path, settings: str, training: str, **more: Any) -> tuple[Any, Any]:
    """A small Lightning module of its own, and two images for it."""
    config, module_model = package("rfdetr.config"), package("rfdetr.training.module_model")
    tensors = package("rfdetr.utilities.tensors")
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = getattr(config, settings)(
            pretrain_weights=None, num_classes=3, device="cpu", dec_layers=1, num_queries=8, num_select=8,
            resolution=96, **more,
        )  # fmt: skip
        to_train = getattr(config, training)(dataset_dir=str(folder), output_dir=str(folder), compute_val_loss=False)
        module = module_model.RFDETRModelModule(small, to_train).eval()
    return module, tensors.NestedTensor(torch.rand(2, 3, 96, 96), torch.zeros(2, 96, 96, dtype=torch.bool))


def rfdetr_targets() -> list[dict[str, Tensor]]:
    """As its data sets give them: a share of the picture; areas of the picture as it was resized to 96 x 96."""
    targets = []
    for index, (boxes, (height, width)) in enumerate(zip(BOXES, SIZES, strict=True)):
        xywh = torch.tensor(boxes)
        areas = xywh[:, 2:].prod(1) / torch.arange(1, len(xywh) + 1)
        targets.append({
            "boxes": box_convert(xywh, "xywh", "cxcywh") / torch.tensor([width, height] * 2),
            "labels": torch.tensor(LABELS[index]), "image_id": torch.tensor([IDS[index]]),
            "area": areas * 96 * 96 / (height * width), "iscrowd": torch.zeros(len(xywh), dtype=torch.int64),
            "orig_size": torch.tensor([height, width]), "size": torch.tensor([96, 96]),
        })  # fmt: skip
    return targets


def test_rfdetr_is_read_when_it_validates_and_when_it_predicts(tmp_path: Path) -> None:
    module, samples = rfdetr(tmp_path, "RFDETRNanoConfig", "TrainConfig", positional_encoding_size=6)
    batch = samples, rfdetr_targets()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.no_grad():
            validated, predicted = module.validation_step(batch, 0), module.predict_step(batch, 0)
    to_inputs = from_rfdetr()
    for outputs in (validated, predicted):
        inputs = to_inputs(outputs, batch)
        check_target(inputs)
        assert all(map(np.isfinite, hardness(inputs, score_threshold=0.0)))
    # its own postprocessing of perfect outputs finds everything
    logits = torch.full((2, 8, 4), -12.0)
    boxes = torch.full((2, 8, 4), 0.5)
    for index, one in enumerate(batch[1]):
        logits[index, torch.arange(len(one["labels"])), one["labels"]] = 6.0
        boxes[index, : len(one["labels"])] = one["boxes"]
    sizes = torch.stack([one["orig_size"] for one in batch[1]])
    found = module.postprocess({"pred_logits": logits, "pred_boxes": boxes}, sizes)
    assert hardness(to_inputs({"results": found, "targets": batch[1]}, batch), iou_threshold=0.99) == [0, 0]
    assert hardness(to_inputs(found, batch), iou_threshold=0.99, area_range="small") == [0, 0]


def test_rfdetr_s_masks_are_those_of_the_picture_as_it_was(tmp_path: Path) -> None:
    module, samples = rfdetr(tmp_path, "RFDETRSegNanoConfig", "SegmentationTrainConfig", positional_encoding_size=8)
    targets = rfdetr_targets()
    for one in targets:
        one["masks"] = torch.zeros(len(one["labels"]), 96, 96, dtype=torch.bool)
        for mask, box in zip(one["masks"], box_convert(one["boxes"], "cxcywh", "xyxy") * 96, strict=True):
            left, top, right, bottom = box.round().int().tolist()
            mask[top:bottom, left:right] = True
        del one["area"]
    batch = samples, targets
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.no_grad():
            validated = module.validation_step(batch, 0)
    to_inputs = from_rfdetr()
    inputs = to_inputs(validated, batch)
    check_target(inputs)
    assert all(tuple(one["masks"].shape[-2:]) == size for one, size in zip(inputs.target or [], SIZES, strict=True))
    assert all(map(np.isfinite, hardness(inputs, score_threshold=0.0, iou_type="segm")))
    # its own postprocessing of perfect outputs finds everything
    logits, boxes, masks = torch.full((2, 8, 4), -12.0), torch.full((2, 8, 4), 0.5), torch.full((2, 8, 96, 96), -9.0)
    for index, one in enumerate(targets):
        number = len(one["labels"])
        logits[index, torch.arange(number), one["labels"]] = 6.0
        boxes[index, :number] = one["boxes"]
        masks[index, :number] = one["masks"] * 18.0 - 9
    sizes = torch.stack([one["orig_size"] for one in targets])
    found = module.postprocess({"pred_logits": logits, "pred_boxes": boxes, "pred_masks": masks}, sizes)
    perfect = to_inputs({"results": found, "targets": targets}, batch)
    assert hardness(perfect, iou_threshold=0.9, iou_type="segm") == [0, 0]


# ultralytics


def test_ultralytics_batches_go_back_to_the_images_as_they_were(tmp_path: Path) -> None:
    get_cfg = package("ultralytics.cfg").get_cfg
    data_set, tasks = package("ultralytics.data.dataset").YOLODataset, package("ultralytics.nn.tasks")
    suppression, operations = package("ultralytics.utils.nms"), package("ultralytics.utils.ops")

    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for name, image, boxes, labels in zip(("0001", "b"), pictures(), BOXES, LABELS, strict=True):
        Image.fromarray(image).save(tmp_path / "images" / f"{name}.png")
        height, width = image.shape[:2]
        shares = box_convert(torch.tensor(boxes), "xywh", "cxcywh") / torch.tensor([width, height] * 2)
        rows = (" ".join(map(str, [label, *share])) for label, share in zip(labels, shares.tolist(), strict=True))
        (tmp_path / "labels" / f"{name}.txt").write_text("\n".join(rows))
    ids = dict(zip(("0001.png", "b.png"), IDS, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = data_set(
            img_path=str(tmp_path / "images"), imgsz=128, augment=False, rect=False, batch_size=2, hyp=get_cfg(),
            data={"names": {0: "a", 1: "b", 2: "c"}, "nc": 3, "channels": 3}, task="detect",
        )  # fmt: skip
        batch = data_set.collate_fn([data[0], data[1]])
        torch.manual_seed(0)
        model = tasks.DetectionModel("yolov8n.yaml", nc=3, verbose=False).eval()
        with torch.no_grad():
            raw = model(batch["img"].float() / 255)
        rows_found = suppression.non_max_suppression(raw, conf_thres=1e-6, max_det=20)
    to_inputs = from_rows(ids.__getitem__)
    inputs = to_inputs(rows_found, batch)
    check_target(inputs)
    for index, (ours, found) in enumerate(zip(inputs.preds, rows_found, strict=True)):
        shape, pad = batch["ori_shape"][index], batch["ratio_pad"][index]
        theirs = operations.scale_boxes(batch["img"].shape[2:], found[:, :4].clone(), shape, ratio_pad=pad)
        torch.testing.assert_close(ours["boxes"], theirs)
    corners = box_convert(batch["bboxes"], "cxcywh", "xyxy") * 128
    perfect_rows = [
        torch.cat((corners[own], torch.full((int(own.sum()), 1), 0.9), batch["cls"][own]), 1)
        for own in (batch["batch_idx"] == index for index in range(2))
    ]
    assert hardness(to_inputs({"preds": perfect_rows}, batch), iou_threshold=0.99) == [0, 0]


def test_rows_without_labels_or_letterbox_stay_where_they_are() -> None:
    rows = [torch.tensor([[1.0, 2, 30, 40, 0.9, 2, 99]]), torch.empty(0, 6)]
    batch: dict[str, Any] = {"img": torch.zeros(2, 3, 64, 64), "im_file": [r"C:\set\a.jpg", "/set/b.jpg"]}
    inputs = from_rows()(rows, batch)
    assert inputs.target == [{"image_size": (64, 64), "image_id": image_number(name)} for name in ("a.jpg", "b.jpg")]
    assert inputs.preds[0]["boxes"].tolist() == [[1, 2, 30, 40]]
    assert inputs.preds[0]["labels"].tolist() == [2]
    assert [len(one["labels"]) for one in inputs.preds] == [1, 0]
    assert inputs.images is not None
    assert inputs.images[0].data_ptr() == batch["img"][0].data_ptr()


def test_padding_is_no_part_of_a_picture() -> None:
    samples = SimpleNamespace(tensors=torch.zeros(1, 3, 64, 64), mask=torch.ones(1, 64, 64, dtype=torch.bool))
    samples.tensors[:, :, :32, :48], samples.mask[:, :32, :48] = 1, False
    target = {"image_id": 7, "orig_size": torch.tensor([64, 96]), "size": torch.tensor([32, 48])}
    inputs = from_rfdetr()([], (samples, [target]))
    assert inputs.images is not None
    assert inputs.images[0].shape == (3, 64, 96)
    assert inputs.images[0].min() == 1
