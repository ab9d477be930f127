"""JSON that comes with the package, with its `{{names}}` filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

_NAME = re.compile(r"\{\{(\w+)\}\}")


def fill(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON file of the package with names replaced by values.

    A string that is nothing but a name becomes the value, whatever its type; a name inside a
    longer string becomes its text.

    Args:
        name: The file, in `data/`.
        values: By name.

    Raises:
        KeyError: If a name has no value.
    """
    text = (files(__package__) / "data" / name).read_text(encoding="utf-8")
    filled: dict[str, Any] = _filled(json.loads(text), values)
    return filled


def _filled(node: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, values) for value in node]
    if not isinstance(node, str):
        return node
    if whole := _NAME.fullmatch(node):
        return values[whole[1]]
    return _NAME.sub(lambda match: str(values[match[1]]), node)
