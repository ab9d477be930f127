"""The errors Bedrock answers with: code and text, in AWS's own words.

Where the words come from is said next to each; most were reported by users of Bedrock and cannot
be read in AWS's documentation. Indexes in the texts count as Bedrock counts them.
"""

from __future__ import annotations

from collections.abc import Sequence


class ServiceError(Exception):
    """What Bedrock answers instead of a result; it becomes a response and never leaves.

    Attributes:
        code: AWS error code, such as `ValidationException`.
        message: What the service says.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> ServiceError:
    """Return a `ValidationException`."""
    return ServiceError("ValidationException", message)


def access_denied(message: str) -> ServiceError:
    """Return an `AccessDeniedException`."""
    return ServiceError("AccessDeniedException", message)


def not_an_object() -> ServiceError:
    """Return the error for a body that is no JSON object (the words are ours)."""
    return ServiceError("SerializationException", "The request body is not a JSON object.")


def not_base64(where: str) -> ServiceError:
    """Return the error for a binary member that cannot be decoded (the words are ours)."""
    return ServiceError("SerializationException", f"{where} is not base64.")


def unknown_operation() -> ServiceError:
    """Return the error for a path or method that no emulated operation has."""
    return ServiceError("UnknownOperationException", "The emulator has no such operation.")


# Recorded: an unknown model ID on Converse.
INVALID_MODEL = "The provided model identifier is invalid."
# https://github.com/BerriAI/litellm/pull/39210: not ignored, but refused with status 403.
CACHING_NOT_SUPPORTED = (
    "You invoked an unsupported model or your request did not allow prompt caching. "
    "See the documentation for more information."
)
# https://github.com/anomalyco/opencode/issues/17300
NOTHING_TO_CACHE = (
    "There is nothing available to cache. Please remove the invalid cache point and try again."
)
# https://github.com/anomalyco/opencode/issues/36517
AFTER_REASONING = (
    "Cache point cannot be inserted after reasoning block. "
    "Please remove the invalid cache point and try again."
)
# https://github.com/timothy-agent/timothy/pull/756
EXTENDED_TTL = "Extended TTL prompt caching is only supported for Anthropic models"
# Reported for models that do not count, and for inference profiles of models that do.
COUNT_NOT_SUPPORTED = "The provided model doesn't support counting tokens."
# https://github.com/langgenius/dify/issues/12340
USER_FIRST = (
    "A conversation must start with a user message. "
    "Try again with a conversation that starts with a user message."
)
# https://github.com/langchain-ai/langchain-aws/issues/130
ALTERNATE = (
    "A conversation must alternate between user and assistant roles. "
    "Make sure the conversation alternates between user and assistant roles and try again."
)
# https://github.com/openclaw/openclaw/pull/166720
TOOL_CONFIG_MISSING = (
    "The toolConfig field must be defined when using toolUse and toolResult content blocks."
)


def unknown_values(errors: Sequence[str]) -> ServiceError:
    """Return the error for values outside their enumeration, as AWS services word it."""
    word = "error" if len(errors) == 1 else "errors"
    return invalid(f"{len(errors)} validation {word} detected: {'; '.join(errors)}")


def empty_content(message: int) -> ServiceError:
    """Return the error for no blocks: https://github.com/anomalyco/opencode/issues/45620."""
    return invalid(
        f"The content field in the Message object at messages.{message} is empty. "
        "Add a ContentBlock object to the content field and try again."
    )


def blank_text(message: int, block: int) -> ServiceError:
    """Return the error for an empty text block."""
    return invalid(
        f"The text field in the ContentBlock object at messages.{message}.content.{block} "
        "is blank. Add text to the text field, and try again."
    )


def missing_tool_results(message: int, tool_use_ids: Sequence[str]) -> ServiceError:
    """Return the error for unanswered tool calls: https://github.com/agno-agi/agno/issues/6698."""
    return invalid(
        f"Expected toolResult blocks at messages.{message}.content for the following Ids: "
        + ", ".join(tool_use_ids)
    )


def extra_tool_results(message: int) -> ServiceError:
    """Return the error for results of tools that the turn before did not call."""
    return invalid(
        f"The number of toolResult blocks at messages.{message}.content "
        "exceeds the number of toolUse blocks of previous turn."
    )


def malformed(found: str) -> ServiceError:
    """Return the error for a body that the schema of its model does not allow."""
    return invalid(f"Malformed input request: {found}, please reformat your input and try again.")


def missing_key(name: str) -> ServiceError:
    """Return the error for a body of InvokeModel without something the model wants."""
    return malformed(f"#: required key [{name}] not found")


def extra_input(path: str) -> ServiceError:
    """Return the error for `cache_control` where Claude takes none, beside the blocks for one.

    https://github.com/UKGovernmentBEIS/inspect_ai/pull/3851
    """
    return invalid(f"{path}: Extra inputs are not permitted")


def unknown_cache_control(path: str, kind: object) -> ServiceError:
    """Return the error for a `cache_control` of another type (Anthropic's words)."""
    return invalid(
        f"{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: "
        "'ephemeral'"
    )


def unknown_ttl(path: str) -> ServiceError:
    """Return the error for a lifetime that Claude does not know (Anthropic's words)."""
    return invalid(f"{path}.ephemeral.ttl: Input should be '5m' or '1h'")


def cached_empty_text(path: str) -> ServiceError:
    """Return the error for `cache_control` on an empty text (Anthropic's words)."""
    return invalid(f"{path}.text: cache_control cannot be set for empty text blocks")


def foreign_cache_points(pointers: Sequence[str]) -> ServiceError:
    """Return the error for cache points that the schema of the model (Nova) does not have.

    Args:
        pointers: JSON pointers to the blocks in front of the cache points, at least one, such as
            `#/toolConfig/tools/3`: Nova's own format keeps a point inside the block it follows.
    """
    found = f"{len(pointers)} schema violations found"
    if len(pointers) == 1:
        found = f"{pointers[0]}: extraneous key [cachePoint] is not permitted"
    return malformed(found)


def cache_point_after_document(where: str) -> ServiceError:
    """Return the error for a point after a document: https://github.com/aws/aws-sdk-java-v2/issues/6277."""
    return _model_error(f"{where}.type: Field required")


def unsupported_ttl(cache_control: str) -> ServiceError:
    """Return the error for a TTL on a Claude before 4.5: https://github.com/earendil-works/pi/pull/1570."""
    return _model_error(f"{cache_control}.ttl: Extra inputs are not permitted")


def ttl_order(cache_control: str) -> ServiceError:
    """Return the error for 1h after 5m: https://github.com/Portkey-AI/gateway/issues/1762."""
    return _model_error(
        f"{cache_control}.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' "
        "cache_control block. Note that blocks are processed in the following order: `tools`, "
        "`system`, `messages`."
    )


def too_many_cache_points(*, found: int, limit: int) -> ServiceError:
    """Return the error for too many points; the words are Anthropic's, Bedrock's are not known."""
    return _model_error(
        f"A maximum of {limit} blocks with cache_control may be provided. Found {found}."
    )


def natively(error: ServiceError) -> ServiceError:
    """Return an error as InvokeModel words it: in those of the model alone."""
    return ServiceError(error.code, error.message.removeprefix(_MODEL_SAID))


_MODEL_SAID = "The model returned the following errors: "


def _model_error(message: str) -> ServiceError:
    return invalid(_MODEL_SAID + message)
