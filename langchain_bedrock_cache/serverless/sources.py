"""The document of a request, as `CachedDocuments` takes it: a text, or a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from langchain_bedrock_cache.serverless.errors import (
    DocumentForbiddenError,
    DocumentTooLargeError,
    InvalidRequestError,
)
from langchain_bedrock_cache.serverless.storage import Location, Storage, is_s3_uri

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob  # a heavy import

# Sent as text, which every model takes and where points may follow; other files are blocks.
_TEXT_SUFFIXES = frozenset(
    {"", ".csv", ".htm", ".html", ".json", ".jsonl", ".md", ".rst", ".txt", ".xml"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSource:
    """Where documents may come from, and how large they may be.

    Attributes:
        storage: For documents in S3.
        max_bytes: Largest document.
        allowed: Beginnings of S3 URIs that may be read; empty for any.
    """

    storage: Storage
    max_bytes: int
    allowed: tuple[str, ...] = ()

    def load(self, document: str) -> str | Blob:
        """Return a document: the text given, or the content of the S3 object it names.

        Args:
            document: Its text, or an S3 URI.

        Raises:
            ServerlessError: If it is too large, not there, may not be read, or of a kind that
                Bedrock does not take.
        """
        if not is_s3_uri(document):
            size = len(document.encode())
            if size > self.max_bytes:
                msg = (
                    f"document has {size:,} bytes; the limit is {self.max_bytes:,}. Send its "
                    "relevant part."
                )
                raise DocumentTooLargeError(msg, field="document")
            return document
        location = Location.of(document, field="document")
        if self.allowed and not location.uri.startswith(self.allowed):
            msg = f"{location.uri} is not below {' or '.join(self.allowed)}."
            raise DocumentForbiddenError(msg, field="document")
        content = self.storage.read(location, max_bytes=self.max_bytes)
        suffix = PurePosixPath(location.key).suffix.lower()
        if suffix not in _TEXT_SUFFIXES:
            return _file(location, content, suffix)
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            msg = f"{location.uri} is no UTF-8 text. Convert it, or give it its file suffix."
            raise InvalidRequestError(msg, field="document") from error


def _file(location: Location, content: bytes, suffix: str) -> Blob:
    from langchain_core.documents.base import Blob  # noqa: PLC0415 - heavy

    from langchain_bedrock_cache.rag.blocks import FORMATS  # noqa: PLC0415 - heavy

    if suffix[1:] not in FORMATS:
        msg = f"{location.uri}: Bedrock takes {', '.join(FORMATS)} files and text, no {suffix}."
        raise InvalidRequestError(msg, field="document")
    return Blob.from_data(content, path=location.key)
