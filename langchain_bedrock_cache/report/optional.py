"""Parts of reports that need a package which may not be there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs(package: str, *, what: str, extra: str) -> Iterator[None]:
    """Say what to install where an import in this block fails.

    Args:
        package: What is imported.
        what: The method that wants it.
        extra: The extra of this package that brings it.

    Raises:
        ImportError: If the import fails, with the command that mends it.
    """
    try:
        yield
    except ImportError as error:
        msg = f"{what} needs {package}: pip install 'langchain-bedrock-cache[{extra}]'"
        raise ImportError(msg) from error
