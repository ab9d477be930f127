"""Processes that share a memory through a store, and stores that do not behave."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.stores import InMemoryByteStore
from shared_memories import QUESTION, Clock, plan_and_flush, planner, reads_of_processes

from langchain_bedrock_cache.caching import CallPlanner
from langchain_bedrock_cache.memory.sharing import SharedRecord, SharedRecords
from langchain_bedrock_cache.waiting import Waiting


class BrokenStore(InMemoryByteStore):
    """A store that always fails."""

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Fail."""
        raise ConnectionError

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Fail."""
        raise ConnectionError


class HangingStore(InMemoryByteStore):
    """A store that answers only when the test is over."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Wait for the end of the test."""
        self.released.wait(30)
        return super().mget(keys)


def test_a_second_memory_knows_what_the_first_has_cached() -> None:
    """A prefix written through one memory is expected to be read through another."""
    clock, store = Clock(), InMemoryByteStore()
    assert plan_and_flush(planner(store, clock)) == 0
    clock.now += 60
    assert plan_and_flush(planner(store, clock)) > 2000


def test_what_came_back_to_another_process_came_back() -> None:
    """A conversation that goes on elsewhere is not taken for one that ended here."""
    clock, store = Clock(), InMemoryByteStore()
    here, elsewhere = planner(store, clock), planner(store, clock)
    plan_and_flush(here)
    [end] = [w for w in _waiting(here) if w.curves[-1].waiting[0]][-1:]
    clock.now += 10
    answered = [
        *QUESTION["messages"],
        {"role": "assistant", "content": [{"text": "Somebody."}]},
        {"role": "user", "content": [{"text": "And then?"}]},
    ]
    plan_and_flush(elsewhere, {**QUESTION, "messages": answered})
    clock.now += 10  # long enough for the first 15 seconds to count as a wait in vain
    other = {**QUESTION, "messages": [{"role": "user", "content": [{"text": "Else?"}]}]}
    assert not end.done
    plan_and_flush(here, other)
    assert end.done
    assert sum(end.curves[0].returned) > 0


def _waiting(planner: CallPlanner) -> list[Waiting]:
    records = planner.memory._table._records.values()
    return [record.waiting for record in records if record.waiting]


def test_another_key_shares_nothing_and_the_store_holds_no_digest() -> None:
    """Memories with different keys do not find each other's records."""
    clock, store = Clock(), InMemoryByteStore()
    first = planner(store, clock, key="ours")
    assert plan_and_flush(first) == 0
    assert plan_and_flush(planner(store, clock, key="theirs")) == 0
    digests = {d.hex() for d in first.memory._table.digests()}
    stored = set(store.yield_keys())
    assert stored
    assert not digests & stored


def test_processes_share_through_files(tmp_path: Path) -> None:
    """Three real processes, one after the other, read what the ones before them wrote."""
    reads = reads_of_processes("shared_memories:FileStore", at=str(tmp_path))
    assert reads[0] == 0
    assert min(reads[1:]) > 2000


def test_a_store_that_fails_is_done_without() -> None:
    """Planning goes on alone, failures are counted, nothing is raised."""
    clock = Clock()
    alone = planner(BrokenStore(), clock)
    assert plan_and_flush(alone) == 0
    clock.now += 60
    assert plan_and_flush(alone) > 2000
    assert alone.memory.shared is not None
    assert alone.memory.shared.counts.failures >= 2


def test_a_store_that_hangs_is_waited_for_once_and_then_left_alone() -> None:
    """One deadline is spent; until the pause is over no call waits again."""
    waited = [0.0]
    store = HangingStore()
    records = SharedRecords(store, deadline_seconds=0.01, monotonic=lambda: waited[0])
    assert records.fetch([b"a"]) == {}
    assert records.counts.late_reads == 1
    for _ in range(100):
        assert records.fetch([b"a"]) == {}
    assert records.counts.late_reads == 1
    assert records.counts.skipped_reads == 100
    waited[0] += 60.0
    assert records.fetch([b"a"]) == {}
    assert records.counts.late_reads == 2
    store.released.set()


@pytest.mark.parametrize(
    "raw", [None, b"", b"junk", b"\x09" * 24, b"\x01" * 23, b"\x01" * 23 + b"\x07"]
)
def test_what_is_not_a_record_is_no_record(raw: bytes | None) -> None:
    """Values of other programs or versions are ignored."""
    assert SharedRecord.unpack(raw) is None


@given(
    st.builds(
        SharedRecord,
        st.floats(0, 1e10),
        st.floats(0, 1e10),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2),
        st.sampled_from(["5m", "1h"]),
        st.sampled_from(["branch", "turn", "history"]),
    )
)
def test_records_survive_the_store(record: SharedRecord) -> None:
    """Packing and unpacking gives the record back."""
    assert SharedRecord.unpack(record.pack()) == record
