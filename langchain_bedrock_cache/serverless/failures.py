"""AWS's errors, told apart by what the caller can do about them. Pure."""

from __future__ import annotations

from typing import Any

from langchain_bedrock_cache.serverless.errors import (
    DeploymentError,
    DocumentForbiddenError,
    DocumentNotFoundError,
    DocumentTooLargeError,
    InvalidRequestError,
    ModelFailedError,
    ModelTimeoutError,
    ServerlessError,
    ServiceUnavailableError,
    ThrottledError,
)

# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors
# (checked 2026-11-22); test_every_error_of_converse_is_known guards the names.
_OF_BEDROCK: dict[str, type[ServerlessError]] = {
    "AccessDeniedException": DeploymentError,
    "InternalServerException": ModelFailedError,
    "ModelErrorException": ModelFailedError,
    "ModelNotReadyException": ServiceUnavailableError,
    "ModelTimeoutException": ModelTimeoutError,
    "ResourceNotFoundException": DeploymentError,
    "ServiceQuotaExceededException": ThrottledError,
    "ServiceUnavailableException": ServiceUnavailableError,
    "ThrottlingException": ThrottledError,
    "ValidationException": InvalidRequestError,
}
_OF_S3: dict[str, type[ServerlessError]] = {
    "403": DocumentForbiddenError,
    "404": DocumentNotFoundError,
    "AccessDenied": DocumentForbiddenError,
    "InternalError": ServiceUnavailableError,
    "InvalidObjectState": DocumentForbiddenError,
    "NoSuchBucket": DocumentNotFoundError,
    "NoSuchKey": DocumentNotFoundError,
    "PermanentRedirect": DeploymentError,
    "ServiceUnavailable": ServiceUnavailableError,
    "SlowDown": ThrottledError,
}
_TOO_LONG = ("too long", "too large", "exceeds the maximum", "exceed context limit")


def bedrock_failure(error: Exception) -> ServerlessError | None:
    """Return what an error of a model call means; `None` if it is not one of AWS's.

    Args:
        error: What the model raised.
    """
    code, message = _code_and_message(error)
    kind = _OF_BEDROCK.get(code) if code else _of_the_connection(error)
    if kind is None:
        return ModelFailedError(f"Bedrock failed: {code}: {message}") if code else None
    if kind is InvalidRequestError and any(words in message.lower() for words in _TOO_LONG):
        return DocumentTooLargeError(
            f"The model does not take so much: {message}", field="document"
        )
    if kind is DeploymentError:
        message += (
            " Check the model ID, that the account has access to the model, and that the role of "
            "the function allows bedrock:InvokeModel on it."
        )
    return kind(f"Bedrock: {code or type(error).__name__}: {message}")


def s3_failure(error: Exception, *, uri: str, action: str) -> ServerlessError | None:
    """Return what an error of S3 means; `None` if it is not one of AWS's.

    Args:
        error: What the S3 client raised.
        uri: Of the object.
        action: What is to be allowed, such as `"s3:GetObject"`.
    """
    code, message = _code_and_message(error)
    kind = _OF_S3.get(code, DeploymentError) if code else _of_the_connection(error)
    if kind is None:
        return None
    if kind is ModelTimeoutError:  # no model took part
        kind = ServiceUnavailableError
    if kind is DocumentNotFoundError:
        return kind(f"There is no {uri} ({code}).", field="document")
    if kind is DocumentForbiddenError:
        return kind(f"{uri}: {code}. Allow the role of the function {action} on it.")
    return kind(f"{uri}: {code or type(error).__name__}: {message}")


def _code_and_message(error: Exception) -> tuple[str, str]:
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict):
        return "", str(error)
    details = response.get("Error", {})
    return str(details.get("Code", "")), str(details.get("Message", ""))


def _of_the_connection(error: Exception) -> type[ServerlessError] | None:
    from botocore import exceptions  # noqa: PLC0415 - only after an error

    if isinstance(error, exceptions.ReadTimeoutError):
        return ModelTimeoutError
    if isinstance(error, exceptions.NoCredentialsError | exceptions.NoRegionError):
        return DeploymentError
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return ServiceUnavailableError
    return None
