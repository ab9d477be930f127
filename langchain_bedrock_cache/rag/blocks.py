"""LangChain documents as Converse content blocks, one after the other, the same every time."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterable
from typing import Any

import xxhash
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.prompts import BasePromptTemplate, PromptTemplate, format_document

from langchain_bedrock_cache.checks import check_callable, check_flag, check_list, check_type
from langchain_bedrock_cache.exceptions import CachePolicyError

# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html
# (checked 2026-11-22); guarded by test_formats_are_those_of_botocore.
FORMATS = ("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md")
"""File formats that Bedrock takes as document blocks."""

_FORMAT_OF_TYPE = {
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}


def document_name(content: bytes) -> str:
    """Return the name of a document block: neutral, and the same for the same content.

    A random name would be a new prefix in every request. Bedrock advises against names from
    outside: the model could take them for instructions.

    Args:
        content: The file, or the text in UTF-8.
    """
    return f"document-{xxhash.xxh3_64_hexdigest(content)}"


def documents_to_blocks(
    documents: Iterable[Document | Blob],
    *,
    template: BasePromptTemplate[str] | str = "{page_content}",
    citations: bool = False,
    name: Callable[[bytes], str] = document_name,
) -> list[dict[str, Any]]:
    """Return documents as content blocks of a message, in the order given.

    Equal documents give equal blocks in every process, and repeated and blank ones are left out. A
    document block is followed by a line of text that names it, where a cache point is legal on
    every model; after a text document Bedrock would refuse one.

    Args:
        documents: Text documents, and files as `Blob.from_path("report.pdf")`; not modified.
        template: How a text document reads: its `page_content` and metadata by name.
        citations: Whether the model is to cite: text documents are document blocks then, too.
        name: Names a document block; letters, digits, single spaces and `-()[]` only.

    Raises:
        CachePolicyError: If the template has no variable, so that all documents read the same.
        TypeError: If an argument is of another type.
        ValueError: If a file has a format that Bedrock does not take, or the template names
            metadata that a document does not have.
    """
    check_list("documents", documents, what="a list of Documents and Blobs")
    prompt = template_of(template)
    check_flag("citations", citations)
    check_callable("name", name, what="a function of a file's bytes")
    blocks: list[dict[str, Any]] = []
    for document in documents:
        check_type("a document", document, (Document, Blob), what="a Document or a Blob")
        if isinstance(document, Blob):
            added = _file_blocks(document, citations=citations, name=name)
        elif not document.page_content.strip():  # Bedrock refuses blank text
            added = []
        else:
            added = _text_blocks(format_document(document, prompt), citations=citations, name=name)
        if added and added[0] not in blocks:
            blocks += added
    return blocks


def template_of(template: BasePromptTemplate[str] | str) -> BasePromptTemplate[str]:
    """Return how a text document reads.

    Args:
        template: As for `documents_to_blocks`.

    Raises:
        CachePolicyError: If it has no variable.
        TypeError: If it is something else.
    """
    what = "a text or a prompt template, such as '{page_content}'"
    check_type("template", template, (str, BasePromptTemplate), what=what)
    prompt = PromptTemplate.from_template(template) if isinstance(template, str) else template
    if not prompt.input_variables:
        msg = "The template has no variable, so that all documents read the same: {page_content}?"
        raise CachePolicyError(msg)
    return prompt


def _text_blocks(
    text: str, *, citations: bool, name: Callable[[bytes], str]
) -> list[dict[str, Any]]:
    if not citations:
        return [{"type": "text", "text": text}]
    return _document_blocks(name(text.encode()), "txt", {"text": text}, citations=True)


def _file_blocks(
    blob: Blob, *, citations: bool, name: Callable[[bytes], str]
) -> list[dict[str, Any]]:
    content = blob.as_bytes()
    if not content:
        return []
    return _document_blocks(
        name(content), _format_of(blob), {"bytes": content}, citations=citations
    )


def _document_blocks(
    name: str, file_format: str, source: dict[str, Any], *, citations: bool
) -> list[dict[str, Any]]:
    document: dict[str, Any] = {"name": name, "format": file_format, "source": source}
    if citations:
        document["citations"] = {"enabled": True}
    label = {"type": "text", "text": f"The document above is {name}."}
    return [{"type": "document", "document": document}, label]


def _format_of(blob: Blob) -> str:
    suffix = str(blob.path or "").rpartition(".")[2].lower()
    if suffix in FORMATS:
        return suffix
    mimetype = blob.mimetype or mimetypes.guess_type(str(blob.path or ""))[0]
    file_format = _FORMAT_OF_TYPE.get(mimetype or "")
    if file_format is None:
        msg = (
            f"A file of type {mimetype or suffix or 'unknown'!r} is no document for Bedrock, which "
            f"takes {', '.join(FORMATS)}. Convert it, load it as text, or name its mimetype."
        )
        raise ValueError(msg)
    return file_format
