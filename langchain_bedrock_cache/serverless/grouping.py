"""Questions in the order that caching wants: by document, the first of each ahead. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_bedrock_cache.serverless.errors import InvalidRequestError
from langchain_bedrock_cache.serverless.requests import read_request

MAX_QUESTIONS = 400
"""Most questions whose results fit into one state of Step Functions (256 KiB), some 450 bytes each.

https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html (checked 2026-11-22);
test_results_of_a_full_state_fit guards the number.
"""


def group_items(
    items: Sequence[Any], *, run_uri: str, max_questions: int = MAX_QUESTIONS
) -> list[dict[str, Any]]:
    """Return the questions by document, as Step Functions works through them.

    The first question of a document goes ahead of the rest, since an entry of the prompt cache can
    be read only once the response that writes it has begun. A document that is asked about once is
    not to be cached: nobody would read it.

    Args:
        items: Each with `document`, `question` and, optionally, `id`; not modified.
        run_uri: S3 URI, ending in a slash, below which the answers go.
        max_questions: Most questions in a group; a document with more of them has several groups.

    Returns:
        Groups with `document`, `first` (a question), `rest` (a list of questions) and an empty
        `warm_up`, in the order in which the documents first occur. A question has `id` (default:
        its number), `question`, `prompt_cache` and `answer_uri`.

    Raises:
        InvalidRequestError: If an item is not what it has to be, or an ID occurs twice.
    """
    if not isinstance(items, list | tuple) or not items:
        msg = "items must be a list of at least one {document, question}."
        raise InvalidRequestError(msg, field="items")
    by_document: dict[str, list[dict[str, Any]]] = {}
    for document, question in _questions(items, run_uri):
        by_document.setdefault(document, []).append(question)
    groups = []
    for document, questions in by_document.items():
        prompt_cache = len(questions) > 1
        for start in range(0, len(questions), max_questions):
            part = questions[start : start + max_questions]
            first, *rest = ({**question, "prompt_cache": prompt_cache} for question in part)
            # Nothing was warmed yet; the key is there for the paths of Step Functions.
            warm_up = {"result": None}
            groups.append({"document": document, "first": first, "rest": rest, "warm_up": warm_up})
    return groups


def _questions(items: Sequence[Any], run_uri: str) -> Iterator[tuple[str, dict[str, Any]]]:
    seen: dict[str, int] = {}
    for number, item in enumerate(items):
        try:
            request = read_request(item)
        except InvalidRequestError as error:
            msg = f"items[{number}]: {error}"
            raise InvalidRequestError(msg, field=f"items[{number}].{error.field}") from error
        question_id = str(number) if request.id is None else request.id
        if question_id in seen:
            msg = f"items[{number}] has the ID of items[{seen[question_id]}]; IDs must differ."
            raise InvalidRequestError(msg, field=f"items[{number}].id")
        seen[question_id] = number
        yield (
            request.document,
            {
                "id": question_id,
                "question": request.question,
                "answer_uri": f"{run_uri}answers/{number:08d}.json",
            },
        )


def planned_ids(groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the IDs of all questions of a plan."""
    for group in groups:
        yield group["first"]["id"]
        yield from (question["id"] for question in group["rest"])
