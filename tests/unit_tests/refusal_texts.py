"""What Bedrock answers to cache points it does not take, and to other mistakes."""

from __future__ import annotations

from langchain_bedrock_cache.profiles import Section

# What Bedrock says about cache points, as users of it reported. Section: where the points were;
# `None`: the text is about the model or the account.
REFUSALS: dict[str, tuple[str, str, Section | None]] = {
    # github.com/BerriAI/litellm/pull/39210
    "unsupported model": (
        "AccessDeniedException",
        (
            "You invoked an unsupported model or your request did not allow prompt caching. "
            "See the documentation for more information."
        ),
        None,
    ),
    "Nova, tools": (
        "ValidationException",
        (
            "Malformed input request: #/toolConfig/tools/18: extraneous key [cachePoint] is not "
            "permitted, please reformat your input and try again."
        ),
        "tools",
    ),
    "Nova, after a tool result": (
        "ValidationException",
        (
            "Malformed input request: #/messages/2/content/1: extraneous key [cachePoint] is not "
            "permitted, please reformat your input and try again."
        ),
        "messages",
    ),
    # github.com/anomalyco/opencode/issues/36517
    "after reasoning": (
        "ValidationException",
        (
            "Cache point cannot be inserted after reasoning block. Please remove the invalid cache "
            "point and try again."
        ),
        "messages",
    ),
    # github.com/anomalyco/opencode/issues/17300
    "nothing before it": (
        "ValidationException",
        "There is nothing available to cache. Please remove the invalid cache point and try again.",
        "messages",
    ),
    # github.com/aws/aws-sdk-java-v2/issues/6277
    "after a document": (
        "ValidationException",
        "The model returned the following errors: messages.0.content.3.type: Field required",
        "messages",
    ),
    # github.com/Portkey-AI/gateway/issues/1762
    "1h after 5m": (
        "ValidationException",
        (
            "The model returned the following errors: messages.2.content.0.cache_control.ttl: a "
            "ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note "
            "that blocks are processed in the following order: `tools`, `system`, `messages`."
        ),
        "messages",
    ),
    # github.com/timothy-agent/timothy/pull/756
    "1h, not Anthropic": (
        "ValidationException",
        "Extended TTL prompt caching is only supported for Anthropic models",
        "messages",
    ),
    # github.com/earendil-works/pi/pull/1570
    "1h in tools, old Claude": (
        "ValidationException",
        (
            "The model returned the following errors: tools.0.cache_control.ttl: Extra inputs are "
            "not permitted"
        ),
        "tools",
    ),
    # github.com/tghamm/Anthropic.SDK/issues/50
    "too many": (
        "ValidationException",
        (
            "The model returned the following errors: A maximum of 4 blocks with cache_control may "
            "be provided. Found 5."
        ),
        "messages",
    ),
}
OTHER_ERRORS: dict[str, tuple[str, str]] = {
    "throttled": ("ThrottlingException", "Too many requests, please wait before trying again."),
    "throttled, and named": ("ThrottlingException", "Too many cachePoint tokens"),
    "no access": (
        "AccessDeniedException",
        "You don't have access to the model with the specified model ID.",
    ),
    "no permission": (
        "AccessDeniedException",
        "User: arn:aws:iam::1:user/a is not authorized to perform: bedrock:InvokeModel",
    ),
    "invalid model": ("ValidationException", "The provided model identifier is invalid."),
    "too long": ("ValidationException", "Input is too long for requested model."),
    "a tool without schema": (
        "ValidationException",
        "The model returned the following errors: tools.0.input_schema.type: Field required",
    ),
    "malformed elsewhere": (
        "ValidationException",
        (
            "Malformed input request: #/toolConfig/tools/0: extraneous key [strict] is not "
            "permitted, please reformat your input and try again."
        ),
    ),
    "server": ("InternalServerException", "The system encountered an unexpected error."),
}
