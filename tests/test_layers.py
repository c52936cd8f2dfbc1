"""Imports by folder: each folder stands on those below it, and no two on each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import hardest_metrics

ROOT = Path(hardest_metrics.__file__).parent

#: From the ground up. Folders and files of one line know nothing of each other.
LAYERS: list[set[str]] = [
    {"_lazy", "adapter", "arithmetic", "input_warning", "names", "numbering", "presentation", "__version__"},
    {"functional"},
    {"ranking"},
    {"alignment", "promises", "rows", "summary"},
    {"data", "kept_rows", "ranked_together"},
    {"finding", "ids", "image_rows", "plot"},
    {"dynamics", "metric"},
    {"collection", "agreement", "losses", "transferability", "calibration"},
    {"classification", "detection", "retrieval"},
    {"results"},
    {"callbacks", "detectors", "evaluators"},
    {"comparison", "shards"},
    {"demo", "report", "transfer"},
    {"cli"},
    {"hardest_metrics"},
]
HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}

#: `functional` by itself, again from the ground up.
FUNCTIONAL: list[set[str]] = [
    {"ids", "eager", "reduction"},
    {"order"},
    {"agreement", "classification", "detection", "retrieval", "transferability"},
    {"functional"},
]


def part_of(module: str, inside: str) -> str:
    """The folder or file of a package that a module belongs to; the package itself for its ``__init__``."""
    below = module.removeprefix(inside).strip(".")
    return below.split(".")[0] if below else inside.split(".")[-1]


def imports(inside: str) -> Iterator[tuple[str, str]]:
    """Which parts of a package import which of its other parts, for type checkers alone included."""
    for path in ROOT.rglob("*.py"):
        module = ".".join(("hardest_metrics", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        if not f"{module}.".startswith(f"{inside}."):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{inside}."):
                for name in node.names:
                    whole = f"{node.module}.{name.name}"
                    there = ROOT.parent.joinpath(*whole.split("."))
                    known = there.is_dir() or there.with_suffix(".py").is_file() or name.name == "__version__"
                    pair = part_of(module, inside), part_of(whole if known else str(node.module), inside)
                    if pair[0] != pair[1]:
                        yield pair


def upwards(inside: str, layers: list[set[str]]) -> set[str]:
    height = {name: number for number, layer in enumerate(layers) for name in layer}
    found = set(imports(inside))
    assert found, "nothing was read"
    unknown = {name for pair in found for name in pair} - set(height)
    assert not unknown, f"say above what {unknown} stand"
    return {f"{low} imports {high}" for low, high in found if height[low] <= height[high]}


def test_no_import_runs_upwards() -> None:
    assert not upwards("hardest_metrics", LAYERS)


def test_nor_within_functional() -> None:
    assert not upwards("hardest_metrics.functional", FUNCTIONAL)


def test_callbacks_and_plots_know_no_domain() -> None:
    """But where callbacks give the names that users import from them."""
    domains = {"classification", "detection", "retrieval", "transferability"}
    known = {pair for pair in imports("hardest_metrics") if pair[0] == "plot" and pair[1] in domains}
    assert not known
    for path in (ROOT / "callbacks").glob("*.py"):
        named = [line for line in path.read_text().splitlines() if any(f"hardest_metrics.{d}" in line for d in domains)]
        imported = [line for line in named if line.startswith(("from", "import"))]
        assert not imported or path.name in ("__init__.py", "adapters.py"), f"{path.name}: {imported}"


def test_every_public_name_is_there() -> None:
    for path in ROOT.rglob("__init__.py"):
        tree = ast.parse(path.read_text())
        bound = {name.asname or name.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for name in n.names}
        bound |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        for node in tree.body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                missing = set(ast.literal_eval(node.value)) - bound
                assert not missing, f"{path}: {missing}"
