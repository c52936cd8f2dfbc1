"""Pictures of classified images: each in a frame that says right or wrong, under what was said of it."""

from collections.abc import Mapping, Sequence

from PIL import Image

from hardest_metrics.plot.arrangement import LegendEntry, arrange, check_number, tile_size
from hardest_metrics.plot.framed import Frame, framed
from hardest_metrics.plot.grid import ImageSource

# Told apart by thickness too, for those who do not tell the colours apart
_RIGHT = Frame((0, 140, 110), 3, "right")
_WRONG = Frame((200, 30, 45), 9, "wrong")
_UNJUDGED = Frame((120, 120, 120), 3, "without label")


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
        images: ``(3, H, W)`` or ``(1, H, W)`` uint8 tensors, or paths of pictures; at most `MAX_TILES`.
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
        (472, 248)
    """
    number = len(images)
    check_number(number)
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
    return framed(image, [*caption.splitlines(), in_words(label, said, probabilities, names)], style, size)


def arrange_classified(tiles: Sequence[Image.Image], title: str = "", judged: bool = True) -> Image.Image:
    """Tiles of one width in a grid, under a title and a legend.

    Args:
        tiles: what :func:`classified_tile` gave.
        title: text of any number of lines, the first the largest.
        judged: whether images have labels, which the legend goes by.
    """
    styles = [_RIGHT, _WRONG] if judged else [_UNJUDGED]
    return arrange(tiles, title, [LegendEntry(style.name, style.sample) for style in styles])


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
