"""Prefix memories of several processes share what they know through a real Redis server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from shared_memories import Clock, plan_and_flush, planner, reads_of_processes

from langchain_bedrock_cache.exceptions import BedrockCacheError
from langchain_bedrock_cache.redis_store import RedisPrefixStore

pytest.importorskip("redis")
SERVER = shutil.which("redis-server")
needs_server = pytest.mark.skipif(SERVER is None, reason="redis-server is not installed")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Return the address of a Redis server that lives as long as the test."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(SERVER), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(  # noqa: S603
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert any("Ready to accept connections" in line for line in server.stdout)
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


@needs_server
def test_processes_share_through_redis(url: str) -> None:
    """Three real processes, one after the other, read what the ones before them wrote."""
    store = "langchain_bedrock_cache.redis_store:RedisPrefixStore"
    reads = reads_of_processes(store, at=url, key="k")
    assert reads[0] == 0
    assert min(reads[1:]) > 2000


@needs_server
def test_what_is_stored_expires_and_can_be_listed_and_deleted(url: str) -> None:
    """Every key has an expiry; `mget` tells missing keys; deleted keys are gone."""
    store = RedisPrefixStore(url, keep_seconds=60)
    store.mset([("a", b"1"), ("b", b"\x00\xff")])
    assert store.mget(["a", "none", "b"]) == [b"1", None, b"\x00\xff"]
    assert 0 < store._redis.ttl("bedrock-cache:a") <= 60
    assert sorted(store.yield_keys()) == ["a", "b"]
    assert list(store.yield_keys(prefix="b")) == ["b"]
    store.mdelete(["a"])
    store.mdelete([])
    assert store.mget(["a"]) == [None]
    assert store.mget([]) == []


@needs_server
def test_a_server_that_goes_away_is_done_without(url: str) -> None:
    """Calls are planned all the same, before and after the server has stopped."""
    store, clock = RedisPrefixStore(url), Clock()
    worker = planner(store, clock)
    assert plan_and_flush(worker) == 0
    store._redis.shutdown(nosave=True)
    clock.now += 60
    assert plan_and_flush(worker) > 2000
    other = planner(store, clock)
    assert plan_and_flush(other) == 0
    assert other.memory.shared is not None
    assert other.memory.shared.counts.failures > 0


def test_an_unknown_address_or_time_is_refused_with_its_value() -> None:
    """What cannot be a Redis URL or a lifetime is refused before anything is sent."""
    with pytest.raises(ValueError, match="redis://"):
        RedisPrefixStore("http://127.0.0.1")
    with pytest.raises(ValueError, match="keep_seconds is 0"):
        RedisPrefixStore("redis://127.0.0.1", keep_seconds=0)


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The remedy is in the message."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(BedrockCacheError, match=r"langchain-bedrock-cache\[redis\]"):
        RedisPrefixStore("redis://127.0.0.1")
