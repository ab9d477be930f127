"""Objects in S3: documents to read, answers and lists of items to write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from langchain_bedrock_cache.serverless.errors import DocumentTooLargeError, InvalidRequestError
from langchain_bedrock_cache.serverless.failures import s3_failure


class Location(NamedTuple):
    """Where an object is."""

    bucket: str
    key: str

    @classmethod
    def of(cls, uri: str, *, field: str) -> Location:
        """Take an S3 URI apart.

        Args:
            uri: Such as `s3://bucket/folder/report.pdf`.
            field: Of the request it was in, for the error.

        Raises:
            InvalidRequestError: If it names no bucket or no object.
        """
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not (is_s3_uri(uri) and bucket and key):
            msg = f"{field} must be an S3 URI with bucket and key, such as s3://bucket/key."
            raise InvalidRequestError(msg, field=field)
        return cls(bucket, key)

    @property
    def uri(self) -> str:
        """The S3 URI."""
        return f"s3://{self.bucket}/{self.key}"


def is_s3_uri(text: str) -> bool:
    """Return whether a text is an S3 URI: one line that begins with `s3://`."""
    return text.startswith("s3://") and "\n" not in text


class Storage:
    """Reads and writes S3 objects, with errors that say what to do.

    Args:
        client: Of boto3, for S3; default: one is made when it is needed first.
    """

    def __init__(self, client: Any = None) -> None:
        self._made = client

    @property
    def _client(self) -> Any:
        if self._made is None:
            import boto3  # noqa: PLC0415 - heavy

            self._made = boto3.client("s3")
        return self._made

    def read(self, location: Location, *, max_bytes: int | None = None) -> bytes:
        """Return the content of an object.

        Args:
            location: Where it is.
            max_bytes: The most that is read.

        Raises:
            DocumentTooLargeError: If it has more bytes; they are not fetched then.
            ServerlessError: If it is not there, or may not be read, or S3 fails.
        """
        with _failures_told(location, "s3:GetObject"):
            response = self._client.get_object(Bucket=location.bucket, Key=location.key)
            size = response["ContentLength"]
            if max_bytes is None or size <= max_bytes:
                content: bytes = response["Body"].read()
                return content
            response["Body"].close()
        msg = f"{location.uri} has {size:,} bytes; the limit is {max_bytes:,}."
        raise DocumentTooLargeError(msg, field="document")

    def read_json(self, location: Location) -> Any:
        """Return the content of a JSON object that this package or Step Functions wrote."""
        return json.loads(self.read(location))

    def write(self, location: Location, content: str) -> None:
        """Write an object.

        Raises:
            ServerlessError: If it may not be written, or S3 fails.
        """
        with _failures_told(location, "s3:PutObject"):
            self._client.put_object(Bucket=location.bucket, Key=location.key, Body=content.encode())


@contextmanager
def _failures_told(location: Location, action: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        failure = s3_failure(error, uri=location.uri, action=action)
        if failure is None:
            raise
        raise failure from error
