"""A comparison as text files."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from hardest_metrics.comparison.comparison import Comparison
from hardest_metrics.comparison.tables import markdown_table, means, verdict
from hardest_metrics.data.spreadsheet import inert


def as_csv(comparison: Comparison, for_spreadsheets: bool = False) -> bytes:
    """All numbers: one row a detector, definition and estimator, one column a measure; what is undefined is empty.

    Args:
        comparison: with labels.
        for_spreadsheets: write an apostrophe before names that a spreadsheet would take for a formula.
    """
    agreement = comparison.agreement
    if for_spreadsheets:
        agreement = agreement.assign(detector=agreement["detector"].map(inert))
    return bytes(agreement.to_csv(index=False, lineterminator="\n").encode())


def as_markdown(
    comparison: Comparison,
    setting: Mapping[str, str],
    notes: Sequence[str],
    pictures: Mapping[str, Sequence[tuple[str, str]]],
) -> bytes:
    """What a reader wants to know: whether to trust the estimates, the numbers behind that, and how they were made.

    Args:
        comparison: with labels.
        setting: what was compared and how, by the name of each thing.
        notes: what else a reader should know.
        pictures: by detector, title and path of each picture.
    """
    agreement, n_images = comparison.agreement, len(comparison.annotations.image_ids)
    parts = ["# How well rankings without labels agree with the labels"]
    parts += ["\n".join(f"- {_text(verdict(agreement, detector, n_images))}" for detector in comparison.detections)]
    parts += ["## What was compared", "\n".join(f"- {_text(name)}: {_text(value)}" for name, value in setting.items())]
    if notes:
        parts += ["## Notes", "\n".join(f"- {_text(note)}" for note in notes)]
    for detector in comparison.detections:
        parts += [f"## {_text(detector)}", "Mean over the definitions; the higher the better:"]
        parts += [markdown_table(means(agreement, detector).rename(index=_text))]
        of_detector = agreement[agreement["detector"] == detector]
        by_definition = of_detector.pivot_table("spearman", "estimator", "definition", sort=False, dropna=False)
        parts += ["Spearman's rank correlation with the ranking by labels:", markdown_table(by_definition)]
        parts += [f"![{_text(title)}]({quote(path)})" for title, path in pictures.get(detector, ())]
    return ("\n\n".join(parts) + "\n").encode()


def _text(text: str) -> str:
    """Text in which Markdown sees no mark-up."""
    return "".join(f"\\{character}" if character in "\\`*_{}[]<>#|!" else character for character in text)
