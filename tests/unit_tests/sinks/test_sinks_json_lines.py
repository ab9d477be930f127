"""`JsonLinesSink` and its readers: files that threads, processes and restarts share."""

import gzip
import io
import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import pytest
from recorded_calls import CALLS, SECRET, Call
from sinks.sink_calls import ask, chat

from langchain_bedrock_cache import CacheUsageCallbackHandler
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.json_lines import JsonLinesSink, read_records, read_report
from langchain_bedrock_cache.record_lines import record_to_line
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.usage import CacheUsage

RECORD = CallRecord(run_id=UUID(int=1), root_run_id=UUID(int=1), usage=CacheUsage(output_tokens=1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "calls.jsonl"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_report_survives_a_restart(call: Call, emulator: BedrockEmulator, path: Path) -> None:
    """The report of the file is the handler's own, to the last digit and word."""
    handler = CacheUsageCallbackHandler(sinks=[JsonLinesSink(path)])
    model = chat(emulator)
    for question in ("One?", "Two?", "Three?"):
        call(model, ask(question), {"callbacks": [handler]})

    report = read_report(path)

    assert report.records == handler.records
    assert report.total.usage == handler.total
    assert handler.total_cost is not None
    assert report.total.cost_usd == handler.total_cost.total_usd
    assert report.total.savings_usd == handler.total_cost.savings_usd
    assert str(report) == str(handler.report())
    assert report.to_json() == handler.report().to_json()


def test_no_prompt_text_is_written(emulator: BedrockEmulator, path: Path) -> None:
    """Neither prompts nor answers are in the file, whether a call goes well or not."""
    handler = CacheUsageCallbackHandler(sinks=[JsonLinesSink(path)])
    model = chat(emulator)
    answer = model.invoke(ask(f"What is {SECRET}?"), {"callbacks": [handler]})
    emulator.fail_next("ValidationException")
    with pytest.raises(Exception, match="Validation"):
        model.invoke(ask(f"And {SECRET}?"), {"callbacks": [handler]})

    written = path.read_text()

    assert len(written.splitlines()) == 2
    assert SECRET not in written
    assert str(answer.content) not in written


def test_lines_are_there_at_once(path: Path) -> None:
    """Nothing waits in a buffer, and what was in the file before stays."""
    path.write_text("# mine\n")

    sink = JsonLinesSink(path)
    sink(RECORD)

    assert path.read_text() == f"# mine\n{record_to_line(RECORD)}\n"


def test_a_stream_is_flushed_and_left_open() -> None:
    """A line is on a stream when the call is over; the stream is the caller's to close."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")  # holds back what is not flushed

    JsonLinesSink(stream)(RECORD)

    assert raw.getvalue().decode() == record_to_line(RECORD) + "\n"
    assert not stream.closed
    assert list(read_records(io.StringIO(raw.getvalue().decode()))) == [RECORD]


def test_a_stream_of_bytes_is_refused(path: Path) -> None:
    """The error says how to open the file."""
    with path.open("ab") as file, pytest.raises(TypeError, match='Open it with mode "a"'):
        JsonLinesSink(file)  # type: ignore[arg-type] # what the test is about


def test_a_wrong_path_is_an_error_at_once(tmp_path: Path) -> None:
    """A folder that is not there shows when the sink is made, not in a log in production."""
    with pytest.raises(FileNotFoundError):
        JsonLinesSink(tmp_path / "missing" / "calls.jsonl")


def test_the_file_stays_where_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means the folder of the time when the sink was made."""
    monkeypatch.chdir(path.parent)
    sink = JsonLinesSink(path.name)
    (path.parent / "elsewhere").mkdir()
    monkeypatch.chdir(path.parent / "elsewhere")

    sink(RECORD)

    assert list(read_records(path)) == [RECORD]


def test_a_file_may_be_moved_away(path: Path) -> None:
    """After a rotation, lines go to a new file; both are read as one, gzipped or not."""
    sink = JsonLinesSink(path)
    sink(RECORD)
    old = path.with_suffix(".jsonl.1.gz")
    old.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    sink(RECORD)

    assert list(read_records(old)) == [RECORD]
    assert list(read_records(old, path)) == [RECORD, RECORD]


def test_threads_share_a_file(path: Path) -> None:
    """Lines of many threads, through one sink and through several, are all whole."""
    sinks = [JsonLinesSink(path), JsonLinesSink(path)]

    def work(sink: JsonLinesSink) -> None:
        for _ in range(100):
            sink(RECORD)

    threads = [threading.Thread(target=work, args=(sinks[n % 2],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert list(read_records(path)) == [RECORD] * 800


def test_processes_share_a_file(path: Path) -> None:
    """Lines of several processes, each far longer than a page, are all whole."""
    program = """if True:
        import sys
        from uuid import UUID
        from langchain_bedrock_cache.json_lines import JsonLinesSink
        from langchain_bedrock_cache.records import CallRecord
        sink, own = JsonLinesSink(sys.argv[1]), UUID(int=int(sys.argv[2]))
        for _ in range(50):
            sink(CallRecord(run_id=own, root_run_id=own, tags=("x" * 100_000,)))
    """
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(path), str(number)])  # noqa: S603
        for number in range(1, 4)
    ]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]

    kept = [record.run_id.int for record in read_records(path)]

    assert sorted(kept) == [1] * 50 + [2] * 50 + [3] * 50


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk always full")
def test_a_full_disk_fails_no_call(
    emulator: BedrockEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls go on when the log cannot be written; one warning says why."""
    handler = CacheUsageCallbackHandler(sinks=[JsonLinesSink("/dev/full")])
    model = chat(emulator)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            model.invoke("One?", {"callbacks": [handler]})

    assert handler.totals.calls == 3
    assert [r.getMessage().split(".")[0] for r in caplog.records] == [
        "The sink JsonLinesSink failed"
    ]
    assert "No space left" in caplog.text


def test_what_a_full_disk_left_spoils_no_other_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After a line of which only a part was written, the next one begins on a new line."""
    sink = JsonLinesSink(path)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[:40]))
        with pytest.raises(OSError, match=r"Only a part of a line .* Is the disk full"):
            sink(RECORD)
    sink(RECORD)
    sink(RECORD)

    with caplog.at_level(logging.WARNING):
        assert list(read_records(path)) == [RECORD, RECORD]
    assert "1 of the 3 lines of" in caplog.text


def test_other_lines_are_skipped_and_counted(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file may hold other output, bytes that are no text too; a warning says how much."""
    line = record_to_line(RECORD).encode()
    path.write_bytes(b"started\n" + line + b"\n\n\xff\xfe\n" + line[:50] + b"\n" + line)

    with caplog.at_level(logging.WARNING):
        assert list(read_records(path)) == [RECORD, RECORD]

    assert [record.getMessage() for record in caplog.records] == [
        f"3 of the 6 lines of {path} hold no finished call and are skipped; the first is line 1."
    ]


def test_a_clean_file_is_read_in_silence(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No warning where nothing is skipped, nor of a file without lines."""
    JsonLinesSink(path)
    assert list(read_records(path)) == []
    assert read_report(path).total.calls == 0
    JsonLinesSink(path)(RECORD)

    with caplog.at_level(logging.WARNING):
        assert list(read_records(path)) == [RECORD]
    assert caplog.records == []


def test_a_newer_version_names_its_line(path: Path) -> None:
    """The error says which line of which file a newer release wrote."""
    newer = json.dumps(json.loads(record_to_line(RECORD)) | {"version": 9})
    path.write_text(f"{record_to_line(RECORD)}\n{newer}\n")

    with pytest.raises(ValueError, match="version 9") as caught:
        list(read_records(path))
    assert caught.value.__notes__ == [f"Line 2 of {path}."]


def test_a_cut_off_archive_is_an_error(path: Path) -> None:
    """Lines before the cut are read; that there were more is not hidden."""
    lines = "".join(f"{record_to_line(RECORD)}\n" for _ in range(1_000))
    archive = path.with_suffix(".gz")
    archive.write_bytes(gzip.compress(lines.encode(), compresslevel=1)[:-20])
    kept: list[CallRecord] = []

    with pytest.raises(EOFError):
        kept.extend(read_records(archive))

    assert kept
    assert set(map(record_to_line, kept)) == {record_to_line(RECORD)}


def test_missing_files_are_an_error(path: Path) -> None:
    """No report is made of a file that is not there."""
    with pytest.raises(FileNotFoundError):
        read_report(path)
