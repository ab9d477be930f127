"""Test kit: catch a broken prompt prefix in CI, before the first call that is paid for.

* `assert_prefix_stable(chain, inputs)`: all runs begin their prompts alike
* `assert_cache_hit(...)`: calls read from the prompt cache what they could
* `emulated_bedrock()`: every `bedrock-runtime` call of the process goes to an emulator; with
  pytest, the fixture `bedrock_emulator` is the same

No network and no AWS credentials are used.
"""

from langchain_bedrock_cache.testing.emulated import EmulatedBedrock, emulated_bedrock
from langchain_bedrock_cache.testing.hits import CacheHitBlock, assert_cache_hit
from langchain_bedrock_cache.testing.prefixes import (
    StablePrefix,
    aassert_prefix_stable,
    assert_prefix_stable,
)

__all__ = [
    "CacheHitBlock",
    "EmulatedBedrock",
    "StablePrefix",
    "aassert_prefix_stable",
    "assert_cache_hit",
    "assert_prefix_stable",
    "emulated_bedrock",
]
