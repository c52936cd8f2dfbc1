"""Tables for spreadsheets, which take some texts for formulas and run them."""

import re
from typing import Any

# Where a cell begins: spreadsheets of some countries split at semicolons, whatever was meant
_FORMULA = re.compile(r"(^|[;,\t\r\n|])(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n])")


def inert(value: Any) -> Any:
    r"""A value that no spreadsheet takes for a formula: text that looks like one with an apostrophe before it.

    Example:
        >>> inert("=cmd|'/c calc'!A0"), inert("a.jpg"), inert(-1.5)
        ("'=cmd|'/c calc'!A0", 'a.jpg', -1.5)
    """
    return _FORMULA.sub(r"\1'", value) if isinstance(value, str) else value
