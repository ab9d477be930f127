"""Questions in files: JSON, JSON Lines or CSV. Pure."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from langchain_bedrock_cache.serverless.errors import InvalidRequestError

_SUFFIXES = (".json", ".jsonl", ".csv")


def read_items(content: bytes, *, name: str) -> list[Any]:
    """Return the items of a file; what an item has to be is checked later.

    Args:
        content: The file, in UTF-8.
        name: Its name: `.json` holds one list, `.jsonl` an object a line, `.csv` a header line
            with `document` and `question` and a row for each question.

    Raises:
        InvalidRequestError: If the file is not what its name says.
    """
    suffix = next((suffix for suffix in _SUFFIXES if name.lower().endswith(suffix)), None)
    if suffix is None:
        msg = f"{name} is no list of items; its name must end in {', '.join(_SUFFIXES)}."
        raise InvalidRequestError(msg, field="items_uri")
    try:
        text = content.decode("utf-8-sig")
        if suffix == ".csv":
            return [
                {key: value for key, value in row.items() if key and value}
                for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)
            ]
        if suffix == ".jsonl":
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        items = json.loads(text)
    except (UnicodeDecodeError, ValueError, csv.Error) as error:
        msg = f"{name} is no {suffix[1:]} file in UTF-8."
        raise InvalidRequestError(msg, field="items_uri") from error
    return items if isinstance(items, list) else [items]
