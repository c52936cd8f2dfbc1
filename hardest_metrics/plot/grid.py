"""Pictures that show what became of every box of an image, alone or in a grid of the hardest images.

Drawn with Pillow alone: a grid of 16 images takes a fraction of what matplotlib needs. An image is brought
to its final size first and drawn on then, so that lines and text look alike whatever its resolution.
"""

import io
import math
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from PIL import ExifTags, Image, ImageDraw, ImageOps
from torch import Tensor

from hardest_metrics.functional.detection.checking import BoxFormat
from hardest_metrics.functional.detection.geometry import IouType
from hardest_metrics.functional.detection.keypoint_packing import Sigmas
from hardest_metrics.functional.detection.matching import Outcome, Query, match
from hardest_metrics.functional.detection.packing import ImageDict, no_labels
from hardest_metrics.functional.detection.shape_format import ShapeFormat
from hardest_metrics.plot.arrangement import (
    CAPTION_SIZE,
    INK,
    PAPER,
    Box,
    LegendEntry,
    arrange,
    arranged,
    check_number,
    line_of_text,
)
from hardest_metrics.plot.lettering import font_of_size, shortened
from hardest_metrics.plot.shapes import Line, Shapes

#: An image as it is to be drawn: ``(3, H, W)`` or ``(1, H, W)`` uint8, or the path of a picture.
ImageSource = Tensor | str | os.PathLike[str]

#: In place of an outcome, for a detection that no labels judge.
UNJUDGED = 255

_Rectangle = tuple[int, int, int, int]
_Color = tuple[int, int, int]


class OutcomeBoxes(NamedTuple):
    """The boxes of one image that a query counts: all detections that take part, and all missed objects.

    Attributes:
        xyxy: ``(n, 4)`` float64: left, top, right, bottom in pixels of the image.
        outcomes: ``(n,)`` uint8, the :class:`~hardest_metrics.functional.Outcome` of each box, never ignored;
            :data:`UNJUDGED` for detections on an image without labels.
        labels: ``(n,)`` int64.
        scores: ``(n,)`` float64; NaN for missed objects.
        shapes: `n` masks or keypoints to draw instead of the boxes; None for the boxes.
    """

    xyxy: Tensor
    outcomes: Tensor
    labels: Tensor
    scores: Tensor
    shapes: Shapes | None = None


class _Style(NamedTuple):
    name: str
    color: _Color
    text_color: _Color
    width: int
    dash: int | None  # length in pixels of dashes and gaps

    @property
    def line(self) -> Line:
        """How masks and skeletons are drawn."""
        return Line(self.color, self.width, self.dash)


# Told apart by colour, and without it by width and dashes. In drawing order: errors lie on top.
_STYLES: dict[int, _Style] = {
    Outcome.TRUE_POSITIVE: _Style("true positive", (40, 200, 90), (0, 0, 0), 2, None),
    Outcome.FALSE_NEGATIVE: _Style("missed", (40, 110, 255), (255, 255, 255), 3, 7),
    Outcome.FALSE_POSITIVE: _Style("false positive", (225, 30, 45), (255, 255, 255), 3, None),
    UNJUDGED: _Style("detection", (255, 170, 0), (0, 0, 0), 3, None),
}

_LABEL_SIZE = 12  # of the font, in pixels


def outcome_boxes(
    preds: Sequence[ImageDict],
    target: Sequence[ImageDict],
    query: Query,
    box_format: BoxFormat = "xyxy",
    iou_type: IouType = "bbox",
    sigmas: Sigmas | None = None,
) -> list[OutcomeBoxes]:
    """What became of the boxes of each image, as pictures show it.

    Detections and objects that the query ignores are left out: crowds and what lies on them, other labels and
    areas, scores below the threshold. A found object is represented by the detection that found it.

    Args:
        preds: one dict an image, see :func:`~hardest_metrics.functional.pack`.
        target: one dict an image, in the same order.
        query: which boxes count.
        box_format: of all boxes: ``"xyxy"``, ``"xywh"`` or ``"cxcywh"``, in pixels.
        iou_type: what is compared, and drawn: ``"bbox"``, ``"segm"`` or ``"keypoints"``.
        sigmas: of keypoints, see :func:`~hardest_metrics.functional.pack`.

    Returns:
        One item an image.

    Raises:
        TypeError, ValueError: on input that makes no sense, see :func:`~hardest_metrics.functional.pack`.

    Example:
        >>> from hardest_metrics.functional import Query
        >>> preds = [
        ...     {
        ...         "boxes": torch.tensor([[0.0, 0, 9, 9], [50, 50, 60, 60], [1, 1, 9, 9]]),
        ...         "scores": torch.tensor([0.9, 0.7, 0.1]),
        ...         "labels": torch.tensor([1, 1, 1]),
        ...     }
        ... ]
        >>> target = [{"boxes": torch.tensor([[0.0, 0, 9, 9], [80, 80, 90, 90]]), "labels": torch.tensor([1, 1])}]
        >>> [Outcome(outcome).name for outcome in outcome_boxes(preds, target, Query())[0].outcomes.tolist()]
        ['TRUE_POSITIVE', 'FALSE_POSITIVE', 'FALSE_NEGATIVE']
    """
    batch = ShapeFormat(box_format, iou_type, sigmas).pack(preds, target, query.lowest_score)
    matches = match(batch.detections, batch.ground_truth, query)
    counted = (matches.detections != Outcome.IGNORED).nonzero().squeeze(1)
    missed = (matches.ground_truth == Outcome.FALSE_NEGATIVE).nonzero().squeeze(1)
    detections, objects = batch.detections.take(counted), batch.ground_truth.take(missed)

    image = torch.cat((detections.image, objects.image))
    by_image = image.argsort(stable=True)
    counts = image.bincount(minlength=len(batch)).tolist()
    scores = detections.scores.double()
    columns = (
        torch.cat((detections.xyxy, objects.xyxy)),
        torch.cat((matches.detections[counted], matches.ground_truth[missed])),
        torch.cat((detections.labels, objects.labels)),
        torch.cat((scores, scores.new_full((len(missed),), torch.nan))),
    )
    split = (column[by_image].cpu().split(counts) for column in columns)
    drawn = [OutcomeBoxes(*parts) for parts in zip(*split, strict=True)]
    if detections.shapes is None or objects.shapes is None:
        return drawn
    together = type(detections.shapes).joined([detections.shapes, objects.shapes])
    sizes = [(int(height), int(width)) for height, width in batch.image_sizes.nan_to_num(nan=0.0).tolist()]
    places = by_image.split(counts)
    return [
        boxes._replace(shapes=Shapes(together.take(own), size))
        for boxes, own, size in zip(drawn, places, sizes, strict=True)
    ]


def detection_boxes(preds: Sequence[ImageDict], query: Query, box_format: BoxFormat = "xyxy") -> list[OutcomeBoxes]:
    """The detections that take part, of images without labels, as pictures show them.

    Args:
        preds: one dict an image, see :func:`~hardest_metrics.functional.pack`.
        query: which boxes count.
        box_format: of all boxes: ``"xyxy"``, ``"xywh"`` or ``"cxcywh"``, in pixels.

    Returns:
        One item an image, its outcomes :data:`UNJUDGED`.

    Raises:
        TypeError, ValueError: on input that makes no sense, see :func:`~hardest_metrics.functional.pack`.

    Example:
        >>> from hardest_metrics.functional import Query
        >>> boxes = torch.tensor([[0.0, 0, 9, 9], [50, 50, 60, 60]])
        >>> preds = [{"boxes": boxes, "scores": torch.tensor([0.9, 0.1]), "labels": torch.tensor([1, 1])}]
        >>> detection_boxes(preds, Query())[0].xyxy
        tensor([[0., 0., 9., 9.]], dtype=torch.float64)
    """
    all_boxes = outcome_boxes(preds, no_labels(len(preds)), query, box_format)
    return [boxes._replace(outcomes=torch.full_like(boxes.outcomes, UNJUDGED)) for boxes in all_boxes]


def draw_image(
    image: ImageSource,
    boxes: OutcomeBoxes,
    caption: str = "",
    class_names: Mapping[int, str] | None = None,
    size: int = 640,
    image_size: tuple[int, int] | None = None,
) -> Image.Image:
    """Draw an image with its boxes, or the masks or keypoints in them, and a caption.

    True positives are green, with a thin line; false positives red; missed objects blue, with a dashed line;
    detections that no labels judge are orange. Each box is labelled with its class, a detection also with its
    score, where the label hides no other one; errors come first.

    Pictures of any mode are drawn as Pillow turns them into RGB (transparency is dropped); those with more than
    8 bits a pixel are stretched from their darkest to their brightest value. A picture whose EXIF data say that
    it lies on its side is drawn as it is stored, as torchvision and Pillow read it, unless `image_size` says
    that its boxes refer to the upright picture. Text is drawn in DejaVu Sans where matplotlib
    is installed, of which it is a part, else in Pillow's own font without accents.

    Args:
        image: ``(3, H, W)`` or ``(1, H, W)`` uint8, or the path of a picture.
        boxes: what to draw on it, in pixels of the image.
        caption: text above the image, of any number of lines; lines that are too long are shortened.
        class_names: the name of each label; None for numbers.
        size: width of the result in pixels, and most height of the image in it.
        image_size: (height, width) of the picture that the boxes refer to, where it is a file; None if not known.

    Returns:
        An RGB picture of width `size`, as high as caption and image need.

    Raises:
        TypeError: if a tensor is not uint8.
        ValueError: if a tensor is of another shape, a file is no picture that can be read, or the image is not
            of size `image_size`. The message names the file.

    Example:
        >>> image = torch.zeros(3, 60, 80, dtype=torch.uint8)
        >>> boxes = OutcomeBoxes(
        ...     torch.tensor([[10.0, 10, 30, 40]]), torch.tensor([1]), torch.tensor([3]), torch.tensor([0.9])
        ... )
        >>> draw_image(image, boxes, "image 42", class_names={3: "car"}, size=320).size
        (320, 264)
    """
    picture, scale = scaled(image, size, image_size)
    _draw_boxes(picture, scale, boxes, class_names or {})

    font = font_of_size(CAPTION_SIZE)
    lines = caption.splitlines()
    line_height = round(1.3 * CAPTION_SIZE)
    top = len(lines) * line_height + (4 if lines else 0)
    tile = Image.new("RGB", (size, top + picture.height), PAPER)
    draw = ImageDraw.Draw(tile)
    for number, line in enumerate(lines):
        draw.text((0, number * line_height), shortened(line, font, size), INK, font)
    tile.paste(picture, (0, top))
    return tile


def draw_grid(tiles: Sequence[Image.Image], title: str = "", judged: bool = True) -> Image.Image:
    """Arrange pictures in a grid, row by row, under a title and the legend of :func:`draw_image`.

    Args:
        tiles: 1 to :data:`MAX_TILES` pictures, best of width :func:`tile_size`.
        title: text of any number of lines, the first the largest; lines that are too long are shortened.
        judged: whether boxes were judged by labels, which the legend goes by.

    Raises:
        ValueError: if there are no tiles, or too many.

    Example:
        >>> draw_grid([Image.new("RGB", (320, 240))] * 5, "the hardest five").size
        (1008, 576)
    """
    return arrange(tiles, title, _legend(judged))


def draw_side_by_side(
    columns: Mapping[str, Sequence[Image.Image]], title: str = "", judged: bool = True
) -> Image.Image:
    """Arrange the hardest images of several rankings side by side: a column a ranking, hardest on top.

    Args:
        columns: pictures by the name of their ranking, best of width :func:`tile_size` of their total number; 1 to
            :data:`MAX_TILES` in all. Columns may differ in length.
        title: text of any number of lines, the first the largest; lines that are too long are shortened.
        judged: whether boxes were judged by labels, which the legend goes by.

    Returns:
        An RGB picture with the names above the columns and the rank in front of each row.

    Raises:
        ValueError: if there are no pictures, or too many.

    Example:
        >>> pictures = [Image.new("RGB", (320, 240))] * 3
        >>> width, height = draw_side_by_side({"sampling": pictures, "entropy": pictures[:2]}, "hardest three").size
        >>> width > 2 * 320, height > 3 * 240
        (True, True)
    """
    check_number(sum(map(len, columns.values())))
    width = max(tile.width for column in columns.values() for tile in column)
    names = [line_of_text(name, width) for name in columns]
    ranks = [line_of_text(str(rank), width) for rank in range(1, max(map(len, columns.values())) + 1)]
    rows = [
        [rank, *(column[index] if index < len(column) else None for column in columns.values())]
        for index, rank in enumerate(ranks)
    ]
    return arranged([[None, *names], *rows], title, _legend(judged))


def encode_png(picture: Image.Image) -> bytes:
    """The content of a PNG file."""
    buffer = io.BytesIO()
    # More than twice as fast as Pillow's default, for a file 6 % larger
    picture.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def scaled(
    source: ImageSource, size: int, image_size: tuple[int, int] | None
) -> tuple[Image.Image, tuple[float, float]]:
    """An image as RGB whose longer side is `size`, and the factors (x, y) from its own pixels to those."""
    if isinstance(source, Tensor):
        return _resized(_from_tensor(source), size)
    try:
        with Image.open(source) as file:
            stored, turned = file.size, file.getexif().get(ExifTags.Base.Orientation, 1) >= 5
            expected = stored if image_size is None else (image_size[1], image_size[0])
            as_stored = expected == stored
            if as_stored or (turned and expected == stored[::-1]):
                # JPEG alone can be decoded at a fraction of its size, which takes a fraction of the time
                file.draft(None, _fitting(stored, size))
                picture = _rgb(file if as_stored else ImageOps.exif_transpose(file))
                return _resized(picture, size, expected)
    except Exception as error:  # Pillow's decoders meet damaged files with errors of every kind
        raise ValueError(f"{os.fspath(source)}: not a picture that can be read ({error}).") from error
    raise ValueError(
        f"{os.fspath(source)}: is {stored[0]} x {stored[1]} pixels (width x height), but its annotations are for"
        f" {expected[0]} x {expected[1]}, so boxes would lie in wrong places. Give the picture that was annotated."
    )


def _resized(
    picture: Image.Image, size: int, original: tuple[int, int] | None = None
) -> tuple[Image.Image, tuple[float, float]]:
    width, height = original or picture.size
    fitting = _fitting((width, height), size)
    return picture.resize(fitting, Image.Resampling.BICUBIC), (fitting[0] / width, fitting[1] / height)


def _fitting(original: tuple[int, int], size: int) -> tuple[int, int]:
    factor = size / max(original)
    return max(round(original[0] * factor), 1), max(round(original[1] * factor), 1)


def _from_tensor(image: Tensor) -> Image.Image:
    if image.dtype != torch.uint8:
        raise TypeError(f"`image` must be uint8 in [0, 255], but is {image.dtype}.")
    if image.ndim != 3 or image.shape[0] not in (1, 3) or not image.numel():
        raise ValueError(f"`image` must have shape (3, H, W) or (1, H, W), but has {tuple(image.shape)}.")
    pixels = image.detach().expand(3, -1, -1).permute(1, 2, 0).cpu().contiguous()
    return Image.fromarray(pixels.numpy())


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "F" or picture.mode.startswith("I"):  # more than 8 bits, in whatever range
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
        low, high = values.min(), values.max()
        picture = Image.fromarray(((values - low) * (255 / ((high - low) or 1))).astype(np.uint8))
    return picture.convert("RGB")


def _draw_boxes(
    picture: Image.Image, scale: tuple[float, float], boxes: OutcomeBoxes, class_names: Mapping[int, str]
) -> None:
    """Draw the boxes, or what is in them, then labels on top of all."""
    last = torch.tensor([picture.width - 1, picture.height - 1] * 2)
    xyxy = boxes.xyxy * torch.tensor(scale * 2)
    corners = xyxy.clamp(min=0).minimum(last).tolist()  # an edge outside is drawn along the border
    outcomes = boxes.outcomes.tolist()
    columns = (corners, outcomes, boxes.labels.tolist(), boxes.scores.tolist(), range(len(outcomes)))
    drawn = list(zip(*columns, strict=True))
    order = list(_STYLES)
    drawn.sort(key=lambda box: order.index(box[1]))
    for box, outcome, _, _, number in drawn:
        if boxes.shapes is None:
            _outline(ImageDraw.Draw(picture), box, _STYLES[outcome])
        else:
            boxes.shapes.draw(picture, number, scale, _STYLES[outcome].line)
    draw = ImageDraw.Draw(picture)

    font = font_of_size(_LABEL_SIZE)
    taken: list[_Rectangle] = []
    for box, outcome, label, score, _ in reversed(drawn):
        style = _STYLES[outcome]
        text = class_names.get(label, str(label)) + ("" if math.isnan(score) else f" {score:.2f}")
        text = shortened(text, font, 0.9 * picture.width)
        place = _free_place(box, math.ceil(font.getlength(text)) + 4, _LABEL_SIZE + 2, picture.size, taken)
        if place is not None:
            taken.append(place)
            draw.rectangle(place, fill=style.color)
            draw.text((place[0] + 2, (place[1] + place[3]) / 2), text, style.text_color, font, "lm")


def _outline(draw: ImageDraw.ImageDraw, box: Sequence[float], style: _Style) -> None:
    if style.dash is None:
        draw.rectangle(tuple(box), outline=style.color, width=style.width)
        return
    left, top, right, bottom = box
    inner = style.width - 1
    for x in np.arange(left, right, 2 * style.dash):
        end = min(x + style.dash, right)
        draw.rectangle((x, top, end, min(top + inner, bottom)), fill=style.color)
        draw.rectangle((x, max(bottom - inner, top), end, bottom), fill=style.color)
    for y in np.arange(top, bottom, 2 * style.dash):
        end = min(y + style.dash, bottom)
        draw.rectangle((left, y, min(left + inner, right), end), fill=style.color)
        draw.rectangle((max(right - inner, left), y, right, end), fill=style.color)


def _free_place(
    box: Sequence[float], width: int, height: int, within: tuple[int, int], taken: Sequence[_Rectangle]
) -> _Rectangle | None:
    """Where a label hides no other one: above its box, in it at the top, at the bottom, or below."""
    left, upper, _, lower = map(round, box)
    left = max(min(left, within[0] - 1 - width), 0)
    for top in (upper - height, upper, lower - height, lower):
        place = (left, top, left + width, top + height)
        free = all(
            place[2] < other[0] or other[2] < place[0] or place[3] < other[1] or other[3] < place[1] for other in taken
        )
        if free and top >= 0 and place[3] < within[1]:
            return place
    return None


def _legend(judged: bool) -> list[LegendEntry]:
    """What boxes are, in the order of their weight; of images without labels, detections alone."""
    styles = [style for outcome, style in reversed(_STYLES.items()) if (outcome != UNJUDGED) == judged]
    return [LegendEntry(style.name, partial(_sample, style)) for style in styles]


def _sample(style: _Style, draw: ImageDraw.ImageDraw, box: Box) -> None:
    _outline(draw, box, style)
