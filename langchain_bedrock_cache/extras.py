"""Packages that may not be there, since an extra of this package brings them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs(
    package: str, *, what: str, extra: str, error: type[Exception] = ImportError
) -> Iterator[None]:
    """Say what to install where an import in this block fails.

    Args:
        package: What is imported.
        what: What wants it, such as the name of a method.
        extra: The extra of this package that brings it.
        error: What to raise.

    Raises:
        ImportError: If the import fails, with the command that mends it; or `error`.
    """
    try:
        yield
    except ImportError as missing:
        msg = f"{what} needs {package}: pip install 'langchain-bedrock-cache[{extra}]'"
        raise error(msg) from missing
