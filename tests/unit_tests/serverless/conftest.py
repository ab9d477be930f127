"""Fixtures of the tests of the answering function: a bucket on moto's S3, and a handler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from serverless.lease_questions import LEASE, answering_model

from langchain_bedrock_cache import PrefixMemory
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.serverless import create_handler
from langchain_bedrock_cache.serverless.handlers import Handler

_MOTO: Any = {"core": {
    "mock_credentials": True,
    "reset_boto3_session": True,
    "passthrough": {"services": ["bedrockruntime"], "urls": []},
}}  # fmt: skip


@pytest.fixture
def s3() -> Iterator[Any]:
    """A bucket with a lease in it."""
    with mock_aws(config=_MOTO):
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="documents-bucket")
        client.put_object(Bucket="documents-bucket", Key="lease.txt", Body=LEASE.encode())
        yield client


@pytest.fixture
def answer(emulator: BedrockEmulator, memory: PrefixMemory, s3: Any) -> Handler:
    """A handler that takes 20 kB at most."""
    model = answering_model(emulator, memory)
    return create_handler(
        model, s3_client=s3, max_document_bytes=20_000, documents=("s3://documents-bucket/",)
    )
