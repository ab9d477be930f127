"""JSON out of files: every form people have it in, and every form of damage."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_bedrock_cache.simulate.jsonfiles import parse_documents, read_documents
from langchain_bedrock_cache.simulate.records import records_in

RECORD = {"modelId": "m", "n": 1}
OTHER = {"modelId": "m", "n": 2}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}], id="lines"),
        pytest.param('\n{"a": 1}\n\n', [{"a": 1}], id="blank lines"),
        pytest.param('[{"a": 1}, {"a": 2}]', [[{"a": 1}, {"a": 2}]], id="array"),
        pytest.param('{\n  "a": 1\n}', [{"a": 1}], id="pretty-printed"),
        pytest.param('{"a": 1}{"a": 2} {"a": 3}', [{"a": 1}, {"a": 2}, {"a": 3}], id="no breaks"),
        pytest.param('2026-11-01T00:00:00Z {"a": 1}', [{"a": 1}], id="timestamp before"),
        pytest.param('garbage\n{"a": 1}', [None, {"a": 1}], id="garbage first"),
        pytest.param('{"a": 1}\n{"a": ', [{"a": 1}, None], id="cut off"),
        pytest.param('{"a": 1} trailing', [{"a": 1}, None], id="garbage behind"),
        pytest.param("", [], id="empty"),
    ],
)
def test_every_form_of_json_text_is_read(text: str, expected: list[Any]) -> None:
    """Documents come out in order, and a line without one counts as None."""
    assert list(parse_documents(text.encode())) == expected


@given(
    documents=st.lists(st.dictionaries(st.text(max_size=5), st.integers(-9, 9)), max_size=5),
    separator=st.sampled_from(["\n", "\n\n", " \n"]),
)
def test_what_was_written_as_lines_is_read(documents: list[dict[str, int]], separator: str) -> None:
    """Any objects, one a line, are read back as they were."""
    text = separator.join(json.dumps(document) for document in documents)
    assert list(parse_documents(text.encode())) == documents


def test_gzip_is_told_by_content(tmp_path: Path) -> None:
    """A gzipped file needs no .gz, and a plain file with .gz is read as well."""
    packed, plain = tmp_path / "packed.json", tmp_path / "plain.json.gz"
    packed.write_bytes(gzip.compress(b'{"a": 1}'))
    plain.write_bytes(b'{"a": 1}')
    assert list(read_documents(packed)) == list(read_documents(plain)) == [{"a": 1}]


def test_members_of_a_concatenated_gzip_are_all_read(tmp_path: Path) -> None:
    """Log files glued together are one file."""
    file = tmp_path / "log.gz"
    file.write_bytes(gzip.compress(b'{"a": 1}\n') + gzip.compress(b'{"a": 2}\n'))
    assert list(read_documents(file)) == [{"a": 1}, {"a": 2}]


def test_what_is_left_of_a_damaged_gzip_is_read(tmp_path: Path) -> None:
    """The whole lines before the damage count; the rest is one garbled line."""
    lines = "".join(json.dumps({"n": n, "text": f"{n * n}" * 9}) + "\n" for n in range(2000))
    file = tmp_path / "log.gz"
    file.write_bytes(gzip.compress(lines.encode())[:-2000])
    documents = list(read_documents(file))
    assert documents[-1] is None
    assert documents[:-1] == [json.loads(line) for line in lines.splitlines()][: len(documents) - 1]
    assert len(documents) > 100


@pytest.mark.parametrize(
    "document",
    [
        pytest.param([RECORD, OTHER], id="array"),
        pytest.param(
            {"events": [{"message": json.dumps(RECORD)}, {"message": json.dumps(OTHER)}]},
            id="filter-log-events",
        ),
        pytest.param(
            {
                "messageType": "DATA_MESSAGE",
                "logEvents": [{"message": json.dumps(RECORD)}, {"message": json.dumps(OTHER)}],
            },
            id="subscription",
        ),
        pytest.param([{"@message": RECORD}, {"@message": json.dumps(OTHER)}], id="query export"),
        pytest.param(
            {
                "status": "Complete",
                "results": [
                    [
                        {"field": "@timestamp", "value": "2026-11-01 00:00:00.000"},
                        {"field": "@message", "value": json.dumps(record)},
                    ]
                    for record in (RECORD, OTHER)
                ],
            },
            id="get-query-results",
        ),
    ],
)
def test_every_wrapping_of_cloudwatch_is_taken_off(document: Any) -> None:
    """The records come out as Bedrock wrote them, in order."""
    assert list(records_in(document)) == [RECORD, OTHER]


def test_what_is_not_wrapped_stays_as_it_is() -> None:
    """A record, a number and an unknown object are yielded unchanged, a broken message as None."""
    assert list(records_in(RECORD)) == [RECORD]
    assert list(records_in(7)) == [7]
    assert list(records_in({"unknown": 1})) == [{"unknown": 1}]
    assert list(records_in({"message": "CWL CONTROL MESSAGE"})) == [None]
    assert list(records_in([])) == []
