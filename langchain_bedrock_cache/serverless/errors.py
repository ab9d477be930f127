"""What a Lambda function of ours may raise, each with its HTTP status.

* ServerlessError
  * InvalidRequestError (also ValueError), 400: the request, or one of its fields
  * DocumentForbiddenError (also PermissionError), 403: a document that may not be read
  * DocumentNotFoundError (also LookupError), 404: no such document
  * MethodNotAllowedError, 405: anything but POST
  * DocumentTooLargeError (also ValueError), 413: more than the limit, or than the model takes
  * ThrottledError, 429: Bedrock or S3 want fewer requests
  * DeploymentError, 500: settings or permissions of the function
  * ModelFailedError, 502: Bedrock failed
  * ServiceUnavailableError, 503: Bedrock is not there for the moment
  * ModelTimeoutError, 504: Bedrock took too long

Lambda reports the name of the class, and Step Functions matches it in `ErrorEquals`. The AWS error
behind one is its `__cause__`.
"""

from __future__ import annotations

from typing import ClassVar

from langchain_bedrock_cache.exceptions import BedrockCacheError

_RETRY_AFTER_SECONDS = 5


class ServerlessError(BedrockCacheError):
    """Base class of what the handlers raise.

    Attributes:
        status: HTTP status.
        is_permanent: Whether the same request would fail again.
        retry_after_seconds: When to try again, for errors that pass.
        field: Name of the field of the request that is wrong, if it is a field.
    """

    status: ClassVar[int] = 500
    is_permanent: ClassVar[bool] = True
    retry_after_seconds: ClassVar[int | None] = None

    def __init__(self, message: str = "", *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class InvalidRequestError(ServerlessError, ValueError):
    """The request, or one of its fields, is not what it has to be."""

    status = 400


class DocumentForbiddenError(ServerlessError, PermissionError):
    """The function may not read the document."""

    status = 403


class DocumentNotFoundError(ServerlessError, LookupError):
    """There is no such document."""

    status = 404


class MethodNotAllowedError(ServerlessError):
    """The HTTP method is not POST."""

    status = 405


class DocumentTooLargeError(ServerlessError, ValueError):
    """The document exceeds the limit of the function, or what the model takes."""

    status = 413


class ThrottledError(ServerlessError):
    """Bedrock or S3 want fewer requests."""

    status = 429
    is_permanent = False
    retry_after_seconds = _RETRY_AFTER_SECONDS


class DeploymentError(ServerlessError):
    """The function is not set up right: a setting is missing, or a permission."""


class ModelFailedError(ServerlessError):
    """Bedrock, or the model, failed."""

    status = 502
    is_permanent = False


class ServiceUnavailableError(ServerlessError):
    """Bedrock or S3 are not there for the moment."""

    status = 503
    is_permanent = False
    retry_after_seconds = _RETRY_AFTER_SECONDS


class ModelTimeoutError(ServerlessError):
    """Bedrock took too long to answer."""

    status = 504
    is_permanent = False


def permanent_errors() -> list[str]:
    """Return the names of the errors that a retry does not mend, for `ErrorEquals`."""
    return sorted(
        error.__name__ for error in ServerlessError.__subclasses__() if error.is_permanent
    )
