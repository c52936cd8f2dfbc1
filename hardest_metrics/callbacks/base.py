"""The class that a callback must derive from, whichever package of Lightning runs it.

`lightning.pytorch` and `pytorch_lightning` are the same code under two names, each with a `Callback` of its own.
A callback that derives from both is taken by the trainers and command lines of both.
"""

from importlib import import_module
from importlib.util import find_spec

_PACKAGES = [name for name in ("lightning", "pytorch_lightning") if find_spec(name) is not None]
_MODULES = {"lightning": "lightning.pytorch", "pytorch_lightning": "pytorch_lightning"}

Callback = type("Callback", tuple(import_module(_MODULES[name]).Callback for name in _PACKAGES), {})
