"""What goes wrong with which class."""

from collections import Counter
from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from hardest_metrics.plot.axes import given_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that differ in lightness too, and hatches for greyscale
_COLORS = ("#0173b2", "#de8f05", "#029e73", "#949494", "#cc78bc", "#56b4e9")
_HATCHES = ("", "//", "..", "", "xx", "\\\\")

_LONGEST = 24  # letters of a class's name


def plot_kinds(
    counts: Mapping[int, Mapping[str, int]],
    class_names: Mapping[int, str] | None = None,
    most: int = 20,
    ax: "Axes | None" = None,
) -> "tuple[Figure, Axes]":
    """Draw how many errors of each kind each class has: a bar a class, those of most errors on top.

    Args:
        counts: by label, errors by kind; kinds are drawn in the order of the first.
        class_names: the name of each label; None for numbers.
        most: how many classes to draw; how many more there are is said.
        ax: what to draw on; None for a new figure, as high as the bars need.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
        ValueError: if `most` is below 1.

    Example:
        >>> figure, axes = plot_kinds({1: {"missed": 3, "background": 1}, 2: {"missed": 0, "background": 2}})
        >>> [label.get_text() for label in axes.get_yticklabels()]
        ['1', '2']
    """
    shown, more = _of_most({label: sum(kinds.values()) for label, kinds in counts.items()}, most)
    ax = given_or_new(ax, size=(8, 1.6 + 0.3 * max(len(shown), 2)))
    left = np.zeros(len(shown))
    kinds = list(next(iter(counts.values()), {}))
    for kind, color, hatch in zip(kinds, cycle(_COLORS), cycle(_HATCHES)):
        width = np.array([counts[label][kind] for label in shown], dtype=float)
        ax.barh(range(len(shown)), width, left=left, label=kind, color=color, hatch=hatch, edgecolor="white")
        left += width
    ax.set_yticks(range(len(shown)), [_name(label, class_names) for label in shown], parse_math=False)
    ax.invert_yaxis()
    ax.set_xlabel("Number of errors")
    ax.set_title(f"Errors by class{more}", pad=44 if kinds else None)
    if kinds:  # above the bars: among them it would hide some
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, fontsize="small", frameon=False)
    return ax.get_figure(), ax  # type: ignore[return-value]


def plot_confusion(
    pairs: Mapping[tuple[int, int], int],
    class_names: Mapping[int, str] | None = None,
    most: int = 12,
    ax: "Axes | None" = None,
) -> "tuple[Figure, Axes]":
    """Draw which of the most confused classes are taken for which: a matrix, its cells labelled with numbers.

    Args:
        pairs: how often, by (label detected, label of the object).
        class_names: the name of each label; None for numbers.
        most: how many classes to draw, those that take part in most confusions; how many more there are is said.
        ax: what to draw on; None for a new figure, as large as the matrix needs.

    Raises:
        ModuleNotFoundError: if matplotlib is not installed.
        ValueError: if `most` is below 1.

    Example:
        >>> figure, axes = plot_confusion({(1, 2): 5, (2, 1): 1}, {1: "cat", 2: "dog"})
        >>> [text.get_text() for text in axes.texts]
        ['1', '5']
    """
    involved = Counter[int]()
    for (detected, true), count in pairs.items():
        involved.update(dict.fromkeys({detected, true}, count))
    shown, more = _of_most(involved, most)
    place = {label: index for index, label in enumerate(sorted(shown))}
    matrix = np.zeros((len(place), len(place)))
    for (detected, true), count in pairs.items():
        if detected in place and true in place:
            matrix[place[true], place[detected]] += count
    ax = given_or_new(ax, size=(3.5 + 0.4 * len(place), 3 + 0.4 * len(place)))
    highest = matrix.max(initial=1)
    if len(place):
        ax.imshow(matrix, cmap="Blues", vmin=0, vmax=highest)
    for row, column in np.argwhere(matrix):
        number = matrix[row, column]
        color = "white" if number > 0.6 * highest else "black"
        ax.text(column, row, f"{number:.0f}", ha="center", va="center", color=color, fontsize="small")
    names = [_name(label, class_names) for label in place]
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    ax.set_yticks(range(len(names)), names, parse_math=False)
    ax.set_xlabel("Detected")
    ax.set_ylabel("True")
    ax.set_title(f"Confused classes{more}")
    return ax.get_figure(), ax  # type: ignore[return-value]


def _of_most(numbers: Mapping[int, int], most: int) -> tuple[list[int], str]:
    """The labels of the highest numbers, highest first, and how many there are beside them, in words."""
    if most < 1:
        raise ValueError(f"`most` is a number of classes, at least 1, but is {most}.")
    labels = sorted(numbers, key=lambda label: (-numbers[label], label))
    return labels[:most], f" (the {most} of most, of {len(labels)})" if len(labels) > most else ""


def _name(label: int, class_names: Mapping[int, str] | None) -> str:
    name = str((class_names or {}).get(label, label))
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
