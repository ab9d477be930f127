"""Settings of the answering function, from its environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.serverless.errors import DeploymentError

PREFIX = "LANGCHAIN_BEDROCK_CACHE_"
"""How the names of all environment variables begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the function answers with; each is an environment variable of that name in capitals.

    Attributes:
        model: Model ID or inference profile.
        base_model: The model behind an ARN that does not name it.
        instructions: System prompt of all questions; part of what is cached.
        ttl: Lifetime of a document in the prompt cache.
        max_tokens: Longest answer.
        max_document_bytes: Largest document; Bedrock takes files up to 4.5 MB.
        documents: Beginnings of S3 URIs that may be read; empty: what the role may read.
        read_timeout_seconds: How long to wait for Bedrock; less than the function's own timeout,
            or nobody learns what happened.
    """

    model: str
    base_model: str | None = None
    instructions: str = "Answer the question from the document."
    ttl: CacheTTL = "5m"
    max_tokens: int = 1024
    max_document_bytes: int = 4_500_000
    documents: tuple[str, ...] = ()
    read_timeout_seconds: float = 100.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings.

        Args:
            environment: Such as `os.environ`; empty values count as not set.

        Raises:
            DeploymentError: If the model is missing, or a value is not what it has to be.
        """
        settings: dict[str, Any] = {}
        for field, read in _READERS.items():
            name = f"{PREFIX}{field.upper()}"
            if value := environment.get(name, ""):
                try:
                    settings[field] = read(value)
                except ValueError as error:
                    msg = f"{name} is {value!r}: {error}"
                    raise DeploymentError(msg) from error
        if "model" not in settings:
            msg = (
                f"{PREFIX}MODEL is not set. Set it to a Bedrock model ID or inference profile in "
                "the environment of the function."
            )
            raise DeploymentError(msg)
        return cls(**settings)


def _ttl(value: str) -> str:
    if value not in get_args(CacheTTL):
        msg = f"choose one of {', '.join(get_args(CacheTTL))}."
        raise ValueError(msg)
    return value


def _positive(value: str) -> int:
    if not value.isdecimal() or int(value) == 0:
        msg = "give a whole number from 1 on."
        raise ValueError(msg)
    return int(value)


def _uris(value: str) -> tuple[str, ...]:
    uris = tuple(value.replace(",", " ").split())
    for uri in uris:
        if not uri.startswith("s3://"):
            msg = f"{uri!r} is no S3 URI. Give beginnings such as s3://bucket/folder/."
            raise ValueError(msg)
    return uris


_READERS: Mapping[str, Callable[[str], Any]] = {
    "model": str,
    "base_model": str,
    "instructions": str,
    "ttl": _ttl,
    "max_tokens": _positive,
    "max_document_bytes": _positive,
    "documents": _uris,
    "read_timeout_seconds": _positive,
}
