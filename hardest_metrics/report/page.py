"""From data to one HTML file that needs nothing else, and does nothing but what its own script says."""

import base64
import hashlib
import json
import re
from importlib import resources
from typing import Any

#: Modules of the script, each in a file of its own; they import from those before them only.
SCRIPTS = (
    "dom", "data", "state", "address", "shown", "frame", "columns", "order", "table", "side", "picks", "zoom", "tags",
    "detail", "chart", "plots", "views", "theme", "main",
)  # fmt: skip

#: Parts of the style: what all have, then parts of the page, then what differs where there is little room.
STYLES = ("page", "side", "boxes", "table", "views", "detail", "narrow")

_IMPORT = re.compile(r"^import \{[^}]*\} from \"\./\w+\.js\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)
_LITERAL = {character: f"\\u{ord(character):04x}" for character in "<>&"}


def render(data: dict[str, Any]) -> str:
    """The page that shows `data`, which its script reads.

    Nothing of the data becomes markup: they stand in the page as JSON in which no character means anything to HTML,
    and the script sets them as text only. Besides, the page's policy runs no script but its own, whatever stands
    in it, and lets it load nothing but pictures.

    Args:
        data: anything that JSON can hold.
    """
    style, script = "".join(_part(f"style/{name}.css") for name in STYLES), joined_script()
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src 'self' file: data:;"
        f" style-src {_hash(style)}; script-src {_hash(script)}"
    )
    parts = {"policy": policy, "style": style, "script": script, "data": to_json(data)}
    return re.sub(r"\{\{(\w+)\}\}", lambda name: parts[name[1]], _part("page.html"))


def joined_script() -> str:
    """All modules as one script: names are the same in all of them, so that their imports and exports fall away."""
    modules = (_EXPORT.sub("", _IMPORT.sub("", _part(f"script/{name}.js"))) for name in SCRIPTS)
    return '"use strict";\n(() => {\n' + "\n".join(modules) + "})();\n"


def to_json(data: Any) -> str:
    r"""ASCII JSON that may stand in a ``<script>``: it can neither end the element nor start a comment in it.

    Example:
        >>> print(to_json(["</script>", "é"]))
        ["\u003c/script\u003e","\u00e9"]
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&]", lambda character: _LITERAL[character[0]], text)


def data_uri(content: bytes, kind: str) -> str:
    """An address that holds the content itself, of MIME type `kind`."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _part(name: str) -> str:
    return resources.files("hardest_metrics.report").joinpath(name).read_text(encoding="utf-8")


def _hash(inline: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"
