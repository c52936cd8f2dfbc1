"""Pages of the reference: a page a package, every public name once, all text from docstrings."""

import importlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

import torchmetrics
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.nodes import make_refnode

import hardest_metrics

#: In the order of the table of contents. A name that stands in several belongs to the one named first here.
MODULES = [
    "hardest_metrics.detection", "hardest_metrics.classification", "hardest_metrics.retrieval",
    "hardest_metrics.transferability", "hardest_metrics", "hardest_metrics.callbacks",
    "hardest_metrics.callbacks.adapters", "hardest_metrics.calibration", "hardest_metrics.agreement",
    "hardest_metrics.comparison", "hardest_metrics.results", "hardest_metrics.evaluators", "hardest_metrics.losses",
    "hardest_metrics.transfer", "hardest_metrics.detectors", "hardest_metrics.data", "hardest_metrics.plot",
    "hardest_metrics.report", "hardest_metrics.adapter", "hardest_metrics.functional.detection",
    "hardest_metrics.functional.classification", "hardest_metrics.functional.retrieval",
    "hardest_metrics.functional.transferability", "hardest_metrics.functional.agreement", "hardest_metrics.cli",
]  # fmt: skip


def public_names(module: ModuleType) -> list[str]:
    """What a module exports: `__all__`, or what it defines without a leading underscore."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


@cache
def homes() -> dict[str, dict[str, Any]]:
    """The names of each page and what they stand for, each object on one page alone."""
    pages: dict[str, dict[str, Any]] = {}
    seen: set[int] = set()
    for name in MODULES:
        module = importlib.import_module(name)
        values = {public: getattr(module, public) for public in public_names(module)}
        pages[name] = {public: value for public, value in values.items() if not _documented(value, seen)}
        seen.update(map(id, values.values()))
    return pages


def _documented(value: Any, seen: set[int]) -> bool:
    return id(value) in seen and (callable(value) or _is_module(value))


def check_complete() -> None:
    """Refuse a public name that would be on no page, such as that of a new package which is missing above."""
    exported = {f"{name}.{public}" for name in _packages() for public in public_names(importlib.import_module(name))}
    described = {id(value) for names in homes().values() for value in names.values()}
    missing = [path for path in sorted(exported) if id(_value(path)) not in described and not _is_module(_value(path))]
    if missing:
        raise RuntimeError(f"no page of docs/reference.py describes {', '.join(missing)}: add the package to MODULES")


def _packages() -> list[str]:
    """All packages that export something, however deep."""
    found = walk_packages(hardest_metrics.__path__, "hardest_metrics.")
    return ["hardest_metrics", *(module.name for module in found if module.ispkg)]


def _value(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _is_module(value: Any) -> bool:
    return isinstance(value, ModuleType)


def write_pages(folder: Path) -> None:
    """Write a page for each module, and one that lists them; those that have not changed are left alone."""
    check_complete()
    folder.mkdir(exist_ok=True)
    pages = {f"{name}.rst": _page(name, names) for name, names in homes().items()}
    pages["index.rst"] = _index()
    for old in folder.glob("*.rst"):
        if old.name not in pages:
            old.unlink()
    for file, text in pages.items():
        path = folder / file
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _page(module: str, names: dict[str, Any]) -> str:
    lines = [module, "=" * len(module), "", f".. automodule:: {module}", "   :no-members:", ""]
    ordered = sorted(names, key=str.lower)
    listed = [f"   {name}" for name in ordered if _has_docstring(names[name])]
    lines += [".. autosummary::", "   :nosignatures:", "", *listed, ""]
    for name in ordered:
        lines += ["-" * 4, "", *_directive(module, name, names[name]), ""]
    others = [name for name in public_names(importlib.import_module(module)) if name not in names]
    if others:
        links = ", ".join(f":py:obj:`{name} <{canonical(module, name)}>`" for name in sorted(others, key=str.lower))
        lines += ["-" * 4, "", f"Also here, and described where they belong: {links}.", ""]
    return "\n".join(lines)


def _has_docstring(value: Any) -> bool:
    """Whether it is a class or function, and no constant or alias of a type."""
    return callable(value) and getattr(value, "__module__", "").startswith("hardest_metrics")


def _directive(module: str, name: str, value: Any) -> list[str]:
    path = f"{module}.{name}"
    if isinstance(value, type):
        return [f".. autoclass:: {path}", "   :members:", "   :show-inheritance:"]
    if _has_docstring(value):
        return [f".. autofunction:: {path}"]
    shown = repr(value).replace("typing.", "")
    lines = [f".. py:data:: {path}", *([f"   :value: {shown}"] if len(shown) < 100 else []), ""]
    return lines + [f"   {line}" for line in _comment(module, name, value)]


def _comment(package: str, name: str, value: Any) -> list[str]:
    """What stands above a constant, in the module that defines it."""
    for module in sorted(sys.modules, key=len):
        if module.startswith(package) and vars(sys.modules[module]).get(name) is value:
            found = ModuleAnalyzer.for_module(module)
            found.analyze()
            if ("", name) in found.attr_docs:
                return list(found.attr_docs["", name])
    return []


def _index() -> str:
    toctree = ["", ".. toctree::", "   :maxdepth: 1", "", *(f"   {name}" for name in MODULES)]
    return "\n".join(
        ["Reference", "=========", "", "A page a package; each name stands where it belongs.", *toctree, ""]
    )


@cache
def _names_of() -> dict[int, str]:
    """The documented name of each documented object."""
    return {
        id(value): f"{module}.{name}"
        for module, names in homes().items()
        for name, value in names.items()
        if callable(value)
    }


def canonical(module: str, name: str) -> str:
    """Where a public name of a module is described."""
    return _names_of()[id(getattr(importlib.import_module(module), name))]


def skip(app: Sphinx, what: str, name: str, value: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out what torchmetrics documents, and what it asks of a subclass."""
    inherited = getattr(torchmetrics.Metric, name, None)
    if what == "class" and inherited is not None and not (getattr(value, "__doc__", None) or "").strip():
        return True
    return None


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement
) -> nodes.reference | nodes.TextElement | None:
    """Lead a name to the one place where it is described, whichever of its names was used.

    A name of the package that is no public one is shown as it is; one that does not exist is Sphinx's to warn of.
    """
    if node.get("refdomain") != "py":
        return None
    for target in _candidates(node):
        found, parent, rest = _import(target)
        if found is None:
            continue
        name = _names_of().get(id(found))
        if name is None and rest:
            name = f"{_names_of().get(id(parent))}.{rest}"
        objects = env.domains.python_domain.objects
        if name in objects:
            entry = objects[name]
            return make_refnode(app.builder, node.get("refdoc", ""), entry.docname, entry.node_id, text, name)
        if target in MODULES:
            return make_refnode(app.builder, node.get("refdoc", ""), f"reference/{target}", None, text, target)
        return text
    return None


def _candidates(node: pending_xref) -> Iterator[str]:
    """What a target may stand for: as it is, beside, or in what mentions it."""
    target, module, owner = node["reftarget"], node.get("py:module"), node.get("py:class")
    yield target
    if module:
        inside, _, _ = _import(f"{module}.{owner}" if owner else module)
        for scope in (f"{module}.{owner}" if owner else None, module, getattr(inside, "__module__", None)):
            if scope:
                yield f"{scope}.{target}"
    for name in MODULES:
        yield f"{name}.{target}"


@cache
def _import(path: str) -> tuple[Any, Any, str]:
    """What a dotted path stands for, what that is an attribute of, and its name there; None where nothing is there."""
    if not path.startswith("hardest_metrics"):
        return None, None, ""
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        parent = None
        for part in parts[cut:]:
            parent, value = value, getattr(value, part, None)
            if value is None:
                return None, None, ""
        return value, parent, parts[-1] if parent is not None else ""
    return None, None, ""
