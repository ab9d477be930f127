"""Documents as content blocks: stable, legal next to a cache point, on the wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.messages import HumanMessage
from wire import POINT

from langchain_bedrock_cache import ChatBedrockCached
from langchain_bedrock_cache.documents import document_name, documents_to_blocks
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.rag.blocks import FORMATS

PDF = Blob.from_data(b"%PDF-1.7 " + bytes(60_000), mime_type="application/pdf")


def ask(model: ChatBedrockConverse, blocks: list[Any], *more: Any) -> None:
    """Send blocks and a question."""
    model.invoke([HumanMessage([*blocks, *more, {"type": "text", "text": "Who?"}])])


def sent(emulator: BedrockEmulator) -> list[dict[str, Any]]:
    """Return the content of the last request's only message."""
    [message] = emulator.requests[-1]["messages"]
    return list(message["content"])


def test_each_document_is_a_block_by_the_users_template() -> None:
    """Title and text read as the template says, in the order given."""
    found = [Document("One.", metadata={"title": "A"}), Document("Two.", metadata={"title": "B"})]
    assert documents_to_blocks(found, template="# {title}\n{page_content}") == [
        {"type": "text", "text": "# A\nOne."},
        {"type": "text", "text": "# B\nTwo."},
    ]


def test_missing_metadata_is_an_error() -> None:
    """A template that names what a document does not have fails before anything is sent."""
    with pytest.raises(ValueError, match="title"):
        documents_to_blocks([Document("One.")], template="{title}: {page_content}")


def test_repeated_and_blank_documents_are_left_out() -> None:
    """Bedrock refuses blank text, and nobody needs a document twice."""
    found: list[Document | Blob] = [Document("One."), Document(" \n")]
    found += [Document("One."), PDF, PDF, Blob.from_data(b"")]
    blocks = documents_to_blocks(found)
    assert [block["type"] for block in blocks] == ["text", "document", "text"]


def test_names_depend_on_the_content_alone() -> None:
    """Equal files have equal names in every process; a random one would be a new prefix."""
    assert document_name(b"same") == document_name(b"same") == "document-877f0f22d94aaf10"
    assert document_name(b"same") != document_name(b"other")


def test_files_become_document_blocks(
    plain_model: ChatBedrockConverse, emulator: BedrockEmulator
) -> None:
    """A PDF goes out as Bedrock takes it, and a cache point after its block is accepted."""
    ask(plain_model, documents_to_blocks([PDF]), POINT)
    document, label, point, _ = sent(emulator)
    assert document["document"]["format"] == "pdf"
    assert label == {"text": f"The document above is {document['document']['name']}."}
    assert "cachePoint" in point
    assert emulator.ledger[-1].cache_write_tokens > 2_000


def test_text_files_are_legal_neighbors_for_the_point(
    plain_model: ChatBedrockConverse, emulator: BedrockEmulator
) -> None:
    """A text document is followed by text, for Bedrock refuses a point right after it."""
    csv = Blob.from_data(b"a,b\n" * 4_000, mime_type="text/csv")
    ask(plain_model, documents_to_blocks([csv]), POINT)
    assert emulator.ledger[-1].status == 200
    assert emulator.ledger[-1].cache_write_tokens > 4_000


def test_files_are_cached_by_themselves(
    cached_model: ChatBedrockCached, emulator: BedrockEmulator
) -> None:
    """`ChatBedrockCached` finds the place behind the file; the second question reads it."""
    for _ in range(2):
        ask(cached_model, documents_to_blocks([PDF]))
    assert emulator.ledger[0].cache_write_tokens > 2_000
    assert emulator.ledger[1].cache_read_tokens == emulator.ledger[0].cache_write_tokens


@pytest.mark.parametrize("citations", [True, False])
def test_citations_are_on_or_off(
    plain_model: ChatBedrockConverse, emulator: BedrockEmulator, *, citations: bool
) -> None:
    """With citations, text is a document block too, and says so."""
    ask(plain_model, documents_to_blocks([Document("One."), PDF], citations=citations))
    documents = [block["document"] for block in sent(emulator) if "document" in block]
    assert len(documents) == 1 + citations
    assert all(("citations" in document) == citations for document in documents)


def test_users_names_are_used() -> None:
    """A name of the user's own is used as it is."""
    [document, label] = documents_to_blocks([PDF], name=lambda content: f"file {len(content)}")
    assert document["document"]["name"] == "file 60009"
    assert label["text"] == "The document above is file 60009."


@pytest.mark.parametrize(
    ("file", "mime_type", "expected"),
    [
        ("report.pdf", None, "pdf"),
        ("REPORT.XLSX", None, "xlsx"),
        ("notes", "text/markdown", "md"),
        ("page.htm", None, "html"),
    ],
)
def test_format_comes_from_the_file(
    tmp_path: Path, file: str, mime_type: str | None, expected: str
) -> None:
    """The ending counts, else the type."""
    path = tmp_path / file
    path.write_bytes(b"content")
    [document, _] = documents_to_blocks([Blob.from_path(path, mime_type=mime_type)])
    assert document["document"]["format"] == expected


@pytest.mark.parametrize("mime_type", ["image/png", None])
def test_other_files_are_an_error_that_names_the_formats(mime_type: str | None) -> None:
    """What Bedrock would refuse is refused here, with what it takes."""
    with pytest.raises(ValueError, match="takes pdf, csv, doc"):
        documents_to_blocks([Blob.from_data(b"x", mime_type=mime_type)])


def test_formats_are_those_of_botocore() -> None:
    """The list of formats is the service model's."""
    client = boto3.client("bedrock-runtime", region_name="us-east-1")
    shape: Any = client.meta.service_model.shape_for("DocumentFormat")
    assert sorted(FORMATS) == sorted(shape.enum)
