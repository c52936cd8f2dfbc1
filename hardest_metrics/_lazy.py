"""Packages whose names are imported when they are asked for."""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules


def lazy(package: str, homes: Mapping[str, str], folders: Iterable[str] = ()) -> Callable[[str], object]:
    """A package's ``__getattr__`` that imports a name from the module of the package that is its home.

    So `hardest-metrics --help` needs no torch, a metric no Lightning, and a file can be hashed without either.

    Args:
        package: its ``__name__``.
        homes: the module of each name, without the package's.
        folders: its ``__path__`` if the packages inside it are to be found likewise.
    """

    def get(name: str) -> object:
        if name in homes:
            return getattr(import_module(f"{package}.{homes[name]}"), name)
        if name in subpackages(folders):
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get


def subpackages(folders: Iterable[str]) -> list[str]:
    """Names of the packages in some folders."""
    return [module.name for module in iter_modules(folders) if module.ispkg]
