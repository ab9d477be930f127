"""What a Lambda container makes once and keeps: model, connections, settings."""

from __future__ import annotations

import os
from functools import lru_cache

from langchain_bedrock_cache.serverless.answers import DocumentAnswers
from langchain_bedrock_cache.serverless.errors import DeploymentError
from langchain_bedrock_cache.serverless.settings import Settings
from langchain_bedrock_cache.serverless.sources import DocumentSource
from langchain_bedrock_cache.serverless.storage import Storage


@lru_cache(maxsize=1)
def container_storage() -> Storage:
    """Return the S3 access of this container, with the role of the function."""
    return Storage()


@lru_cache(maxsize=1)
def container_answers() -> DocumentAnswers:
    """Return the answers of this container, with settings from its environment.

    Raises:
        DeploymentError: If a setting is missing or wrong.
    """
    settings = Settings.from_environment(os.environ)

    import boto3  # noqa: PLC0415 - heavy
    from botocore.config import Config  # noqa: PLC0415 - heavy
    from botocore.exceptions import NoRegionError  # noqa: PLC0415 - heavy

    from langchain_bedrock_cache.chat_models import ChatBedrockCached  # noqa: PLC0415 - heavy
    from langchain_bedrock_cache.policy import CachePolicy  # noqa: PLC0415 - heavy

    # One attempt: whoever called has the time to wait and knows when (Retry-After, Retry), and a
    # second one after a timeout would outlive the function.
    config = Config(read_timeout=settings.read_timeout_seconds, retries={"total_max_attempts": 1})
    try:
        client = boto3.client("bedrock-runtime", config=config)
    except NoRegionError as error:
        msg = "No AWS Region is configured. Set AWS_REGION, as Lambda does."
        raise DeploymentError(msg) from error
    model = ChatBedrockCached(
        model_id=settings.model,
        max_tokens=settings.max_tokens,
        client=client,
        bedrock_client=client,  # or langchain-aws would make one for the control plane
        # The points after instructions and document are ours. Containers do not know of each
        # other's traffic, so the planner has nothing to learn from here.
        cache_policy=CachePolicy(sections=()),
        **({"base_model_id": settings.base_model} if settings.base_model else {}),
    )
    return DocumentAnswers(
        model,
        source=DocumentSource(
            storage=container_storage(),
            max_bytes=settings.max_document_bytes,
            allowed=settings.documents,
        ),
        instructions=settings.instructions,
        ttl=settings.ttl,
    )
