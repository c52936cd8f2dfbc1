"""Packages whose names are imported when they are asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module


def lazy(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """A package's ``__getattr__`` that imports a name from the module of the package that is its home.

    So `hardest-metrics --help` needs no torch, a metric no Lightning, and a file can be hashed without either.

    Args:
        package: its ``__name__``.
        homes: the module of each name, without the package's.
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return get
