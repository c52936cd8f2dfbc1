"""Pictures of classified images: each in a frame that says right or wrong, under what was said of it."""

from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw

from hardest_metrics.plot.grid import MAX_TILES, ImageSource, scaled, tile_size
from hardest_metrics.plot.lettering import font_of_size, shortened

_Color = tuple[int, int, int]

# Told apart by thickness too, for those who do not tell the colours apart
_RIGHT: tuple[_Color, int, str] = ((0, 140, 110), 3, "right")
_WRONG: tuple[_Color, int, str] = ((200, 30, 45), 9, "wrong")
_UNJUDGED: tuple[_Color, int, str] = ((120, 120, 120), 3, "without label")
_WIDEST = 9
_PAPER, _INK = (255, 255, 255), (30, 30, 30)
_CAPTION_SIZE, _TITLE_SIZE = 13, 18  # font sizes in pixels
_LINE, _TITLE_LINE, _GAP = 18, 24, 10  # pixels


def draw_classified(
    images: Sequence[ImageSource],
    labels: Sequence[int] | None,
    said: Sequence[int],
    probabilities: Sequence[tuple[float, float]],
    names: Mapping[int, str] | Sequence[str] | None = None,
    captions: Sequence[str] = (),
    title: str = "",
    size: int | None = None,
) -> Image.Image:
    """Draw images that were classified, in a grid, row by row.

    A frame is thin and green where the classifier was right, thick and red where it was wrong. Above it stands ``label:
    cat 0.02; said dog 0.91``, with the probability of each.

    Args:
        images: ``(3, H, W)`` or ``(1, H, W)`` uint8 tensors, or paths of pictures; at most :data:`MAX_TILES`.
        labels: the class of each; None if none is known: then what was said stands alone, in a thin grey frame.
        said: the most probable class of each.
        probabilities: of the label and of what was said; the first does not count without labels.
        names: of classes; None for numbers.
        captions: a line above each, such as its rank, id and hardness; none for no line.
        title: text of any number of lines, the first the largest; lines that are too long are shortened.
        size: width and height in pixels that images are brought to fit; None for what a screen shows well.

    Raises:
        TypeError: if a tensor is not uint8.
        ValueError: if there are no images or too many, lengths differ, or an image cannot be drawn; the message names
            the file.

    Example:
        >>> import torch
        >>> image = torch.zeros(3, 60, 80, dtype=torch.uint8)
        >>> draw_classified(
        ...     [image] * 2, [3, 5], [5, 5], [(0.02, 0.91), (0.7, 0.7)], {3: "cat", 5: "dog"}, size=200
        ... ).size
        (466, 234)
    """
    number = len(images)
    if not 1 <= number <= MAX_TILES:
        raise ValueError(f"A picture holds 1 to {MAX_TILES} images, but {number} were given.")
    lengths = {"said": len(said), "probabilities": len(probabilities)}
    lengths |= {"labels": len(labels)} if labels is not None else {}
    lengths |= {"captions": len(captions)} if captions else {}
    for name, length in lengths.items():
        if length != number:
            raise ValueError(f"`{name}` must be one an image, {number}, but are {length}.")
    tiles = []
    for place, image in enumerate(images):
        label = None if labels is None else labels[place]
        caption = captions[place] if captions else ""
        fitting = size or min(tile_size(number), 480)
        tiles.append(classified_tile(image, label, said[place], probabilities[place], names, caption, fitting))
    return arrange_classified(tiles, title, judged=labels is not None)


def classified_tile(
    image: ImageSource,
    label: int | None,
    said: int,
    probabilities: tuple[float, float],
    names: Mapping[int, str] | Sequence[str] | None = None,
    caption: str = "",
    size: int = 480,
) -> Image.Image:
    """One image as :func:`draw_classified` shows it.

    Args:
        image: ``(3, H, W)`` or ``(1, H, W)`` uint8, or the path of a picture.
        label: its class; None if it is not known.
        said: the most probable class.
        probabilities: of the label and of what was said.
        names: of classes; None for numbers.
        caption: text above it, of any number of lines.
        size: width and height in pixels that the image is brought to fit.
    """
    style = _UNJUDGED if label is None else _RIGHT if label == said else _WRONG
    return _tile(image, [*caption.splitlines(), in_words(label, said, probabilities, names)], style, size)


def arrange_classified(tiles: Sequence[Image.Image], title: str = "", judged: bool = True) -> Image.Image:
    """Tiles of one width in a grid, under a title and a legend.

    Args:
        tiles: what :func:`classified_tile` gave.
        title: text of any number of lines, the first the largest.
        judged: whether images have labels, which the legend goes by.
    """
    return _arranged(tiles, title, [_RIGHT, _WRONG] if judged else [_UNJUDGED])


def in_words(
    label: int | None,
    said: int,
    probabilities: tuple[float, float],
    names: Mapping[int, str] | Sequence[str] | None = None,
) -> str:
    """What the caption says of an image, see :func:`draw_classified`.

    Example:
        >>> in_words(3, 5, (0.02, 0.91), {3: "cat", 5: "dog"})
        'label: cat 0.02; said dog 0.91'
        >>> in_words(None, 5, (0.0, 0.91))
        'said 5 0.91'
    """
    what = f"said {_named(said, names)} {probabilities[1]:.2f}"
    return what if label is None else f"label: {_named(label, names)} {probabilities[0]:.2f}; {what}"


def _named(label: int, names: Mapping[int, str] | Sequence[str] | None) -> str:
    if names is None:
        return str(label)
    if isinstance(names, Mapping):
        return names.get(label, str(label))
    return names[label] if 0 <= label < len(names) else str(label)


def _tile(image: ImageSource, lines: Sequence[str], style: tuple[_Color, int, str], size: int) -> Image.Image:
    side, top = size + 2 * _WIDEST, len(lines) * _LINE
    picture, _ = scaled(image, size, None)
    tile = Image.new("RGB", (side, top + picture.height + 2 * _WIDEST), _PAPER)
    draw, font = ImageDraw.Draw(tile), font_of_size(_CAPTION_SIZE)
    for number, line in enumerate(lines):
        draw.text((0, number * _LINE), shortened(line, font, side), _INK, font)
    left, above = _WIDEST + (size - picture.width) // 2, top + _WIDEST
    color, width, _ = style
    corners = (left - width, above - width, left + picture.width + width - 1, above + picture.height + width - 1)
    draw.rectangle(corners, fill=color)
    tile.paste(picture, (left, above))
    return tile


def _arranged(tiles: Sequence[Image.Image], title: str, styles: Sequence[tuple[_Color, int, str]]) -> Image.Image:
    """Tiles of one size in a grid, under title and legend."""
    columns = min(len(tiles), max(round(len(tiles) ** 0.5 + 0.49), 1))
    rows = -(-len(tiles) // columns)
    width, height = tiles[0].width, max(tile.height for tile in tiles)
    lines = title.splitlines()
    header = len(lines) * _TITLE_LINE + _LINE + _GAP
    picture = Image.new("RGB", (_GAP + columns * (width + _GAP), _GAP + header + rows * (height + _GAP)), _PAPER)
    draw, small = ImageDraw.Draw(picture), font_of_size(_CAPTION_SIZE)
    for number, line in enumerate(lines):
        font = font_of_size(_CAPTION_SIZE if number else _TITLE_SIZE)
        draw.text((_GAP, _GAP + number * _TITLE_LINE), shortened(line, font, picture.width - 2 * _GAP), _INK, font)
    left, top = float(_GAP), _GAP + len(lines) * _TITLE_LINE
    for color, thickness, name in styles:
        draw.rectangle((left, top, left + 22, top + _LINE), outline=color, width=max(thickness * 2 // 3, 1))
        draw.text((left + 28, top + 1), name, _INK, small)
        left += 28 + small.getlength(name) + 18
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        picture.paste(tile, (_GAP + column * (width + _GAP), _GAP + header + row * (height + _GAP)))
    return picture
