"""`RedisPrefixStore`: a Redis server as the store that prefix memories share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from langchain_core.stores import BaseStore

from langchain_bedrock_cache.checks import check_number, check_type
from langchain_bedrock_cache.exceptions import BedrockCacheError
from langchain_bedrock_cache.extras import needs
from langchain_bedrock_cache.profiles import TTL_SECONDS

if TYPE_CHECKING:
    from redis import Redis

# A record is of use as long as what it tells of may be in the prompt cache; twice that, since it
# also tells how long ago a prefix was last used.
_KEEP_SECONDS = 2 * max(TTL_SECONDS.values())
# The memory waits 20 ms for an answer; a server that takes this long is better given up.
_TIMEOUT_SECONDS = 2.0


class RedisPrefixStore(BaseStore[str, bytes]):
    """Keep shared records in Redis, each under its own key, until they are of no more use.

    Pass it to `PrefixMemory(store=...)` in every process. Needs `pip install
    'langchain-bedrock-cache[redis]'`.

    Args:
        server: URL such as `"redis://host:6379/0"`, or a `redis.Redis` client of bytes.
        prefix: What the keys begin with.
        keep_seconds: When Redis forgets a record that is not written again.

    Raises:
        BedrockCacheError: If the `redis` package is not installed.
        ValueError: If the URL has another scheme, or `keep_seconds` is not positive.
    """

    def __init__(
        self,
        server: str | Redis,
        *,
        prefix: str = "bedrock-cache:",
        keep_seconds: int = _KEEP_SECONDS,
    ) -> None:
        check_number("keep_seconds", keep_seconds, least=1, is_whole=True)
        if not hasattr(server, "mget"):
            check_type(
                "server", server, str, what="a URL such as 'redis://host:6379/0', or a client"
            )
        self._redis = _connect(server) if isinstance(server, str) else server
        self._prefix = prefix
        self._keep_seconds = keep_seconds

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of keys; `None` where there is none."""
        if not keys:
            return []
        values = self._redis.mget([self._prefix + key for key in keys])
        return [value if isinstance(value, bytes) else None for value in values]

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Set keys to values, in one round trip."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for key, value in key_value_pairs:
                pipeline.set(self._prefix + key, value, ex=self._keep_seconds)
            pipeline.execute()

    def mdelete(self, keys: Sequence[str]) -> None:
        """Delete keys."""
        if keys:
            self._redis.delete(*(self._prefix + key for key in keys))

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Return the keys that begin with a prefix."""
        for key in self._redis.scan_iter(match=f"{self._prefix}{prefix or ''}*"):
            yield key.decode().removeprefix(self._prefix)


def _connect(url: str) -> Redis:
    what = "RedisPrefixStore"
    with needs("the redis package", what=what, extra="redis", error=BedrockCacheError):
        from redis import Redis  # noqa: PLC0415 # optional
    return Redis.from_url(url, socket_timeout=_TIMEOUT_SECONDS)
