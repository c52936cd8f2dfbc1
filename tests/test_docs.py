"""What guides show beside their doctests exists: imports, and command lines as the commands read them."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from hardest_metrics import __version__
from hardest_metrics.cli import program

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [DOCS / "index.md", *sorted((DOCS / "guides").glob("*.md"))]

#: Recipes that need what nobody has to have.
FOREIGN = {"datumaro"}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_shown_is_python_and_imports_what_exists(page: Path) -> None:
    for code in blocks(page, "python"):
        imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import | ast.ImportFrom)]
        for node in imports:
            module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            if module not in FOREIGN:
                exec(ast.unparse(node), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_command_lines_shown_are_understood(page: Path) -> None:
    for block in blocks(page, "console"):
        for line in block.replace("\\\n", " ").splitlines():
            command, *arguments = shlex.split(line, comments=True)
            assert command == "hardest-metrics"
            program.parse(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_lead_to_pages_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(((?!https?:|\.\./_pictures|_pictures)[^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
    (title,) = re.findall(r"^# (.+)", page.read_text(), re.MULTILINE)
    assert page.stem == "index" or f"guides/{page.stem}" in (DOCS / "index.md").read_text(), title


def test_the_version_is_the_same_wherever_it_stands() -> None:
    root = DOCS.parent
    assert f"\nversion: {__version__}\n" in (root / "CITATION.cff").read_text()
    headings = re.findall(r"^## \[(.+?)\]", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", __version__]
