"""A local Amazon Bedrock runtime with a prompt cache, for tests, demos and other languages.

General layout, from the wire inwards:

* `client.py`, `server.py`, `cli.py`: the ways in (a boto3 client, HTTP, a command)
* `http.py`, `eventstream.py`: the request and response as bytes
* `core.py`: `BedrockEmulator`, which holds the state and answers a request
* `invoke.py`, `claude_format.py`, `nova_format.py`: bodies of InvokeModel, read as Converse
* `service_model.py`, `conversation.py`, `cache_rules.py`, `models.py`: what Bedrock refuses
* `accounting.py`, `tokens.py`, `prompt_cache.py`: what a request reads, writes and pays for
* `control.py`: what is behind an ARN that does not name its model
* `replies.py`, `responses.py`: what the model says, and how Bedrock wraps it
* `faults.py`, `ledger.py`: failures to order, and what happened

It shares the facts in `profiles` with the rest of the package and nothing else, so it stays an
independent check of what the planner decides.
"""

from langchain_bedrock_cache.emulator.accounting import PlacedPoint
from langchain_bedrock_cache.emulator.core import BedrockEmulator
from langchain_bedrock_cache.emulator.http import HttpRequest, HttpResponse
from langchain_bedrock_cache.emulator.ledger import LedgerRecord
from langchain_bedrock_cache.emulator.models import PromptRouter
from langchain_bedrock_cache.emulator.prompt_cache import CacheOutcome, Point, PromptCache
from langchain_bedrock_cache.emulator.replies import Reply, ToolUse, scripted

__all__ = [
    "BedrockEmulator",
    "CacheOutcome",
    "HttpRequest",
    "HttpResponse",
    "LedgerRecord",
    "PlacedPoint",
    "Point",
    "PromptCache",
    "PromptRouter",
    "Reply",
    "ToolUse",
    "scripted",
]
