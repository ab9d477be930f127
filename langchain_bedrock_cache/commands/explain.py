"""`explain`: why a request reads nothing from the prompt cache, from files; for people and CI."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_bedrock_cache.wording import counted

if TYPE_CHECKING:
    from langchain_bedrock_cache.explain import Explanation

_UNREADABLE = 2
_EPILOG = """\
files: a Converse body, boto3's arguments of converse, what InvokeModel takes for Claude or Nova,
or an invocation log (JSON lines, gzipped or not). exit status: 0 if nothing is wrong, 1 if
something changed, is surely too short or too far away, or a cache point is written or placed
wrongly, 2 if a file cannot be read.

In a log, calls were made: 1 if any of them could have read more within an hour (tokens not read,
or a shared prefix that was not cached), was refused, or has cache points that are wrong or do
nothing. Short prompts, calls without cache points that share nothing, first writes and longer
pauses are fine."""

_ASSUMED = """\
  no cache points in the files: judged as if there were some at the ends of tools, system prompt,
  what both share, and the request"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("request", type=Path, help="the request, or an invocation log")
    parser.add_argument("previous", type=Path, nargs="?", help="the request before it")
    parser.add_argument("--model", help="model ID, for bodies that do not say")
    parser.add_argument(
        "--gap-seconds", type=float, default=1.0, help="time between the two (default: 1)"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--chars-per-token",
        type=float,
        metavar="N",
        help="characters for each token (default: 3, and a request is called too short only if "
        "it surely is)",
    )
    size.add_argument(
        "--tokens", type=int, metavar="N", help="input tokens of the request, if they were counted"
    )
    parser.add_argument(
        "--region", help="AWS Region that the request goes to, where no ARN says it"
    )
    parser.add_argument(
        "--previous-region", metavar="REGION", help="the same of the other (default: the same)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Explain the files.

    Returns:
        0 if nothing is wrong, 1 if something is, 2 if a file cannot be read.
    """
    from langchain_bedrock_cache.exceptions import BedrockCacheError  # noqa: PLC0415
    from langchain_bedrock_cache.explain import (  # noqa: PLC0415 - only this command needs it
        UnreadableRequestError,
        explain,
        explain_log,
        is_record,
    )

    try:
        documents = _documents(args.request)
        if args.previous is None and is_record(documents[0]):
            found = list(explain_log(documents, model=args.model))
            if not found:
                msg = "No record of this log can be explained."
                raise UnreadableRequestError(msg)
        else:
            before = _body(_documents(args.previous)[0]) if args.previous else None
            found = [
                explain(
                    _body(documents[0]),
                    before,
                    model=args.model,
                    gap_seconds=args.gap_seconds,
                    chars_per_token=args.chars_per_token,
                    tokens=args.tokens,
                    region=args.region,
                    previous_region=args.previous_region,
                )
            ]
    except (BedrockCacheError, OSError) as error:
        sys.stderr.write(f"langchain-bedrock-cache explain: {error}\n")
        return _UNREADABLE
    sys.stdout.write(_as_json(found) if args.json else _as_text(found))
    return 0 if all(one.is_fine for one in found) else 1


def _documents(path: Path) -> list[Any]:
    from langchain_bedrock_cache.explain import UnreadableRequestError  # noqa: PLC0415
    from langchain_bedrock_cache.simulate.jsonfiles import read_documents  # noqa: PLC0415
    from langchain_bedrock_cache.simulate.records import records_in  # noqa: PLC0415

    documents = [document for document in read_documents(path) if isinstance(document, dict)]
    if not documents:
        msg = f"{path} holds no JSON object."
        raise UnreadableRequestError(msg)
    unpacked = [record for document in documents for record in records_in(document)]
    return unpacked if len(unpacked) > len(documents) else documents


def _body(document: Any) -> Any:
    """Return the request in a log record; other documents are requests themselves."""
    from langchain_bedrock_cache.explain import is_record  # noqa: PLC0415
    from langchain_bedrock_cache.simulate.records import decoded  # noqa: PLC0415

    if not is_record(document):
        return document
    return {"modelId": document["modelId"], **decoded(document["input"].get("inputBodyJson"))}


def _as_json(found: Sequence[Explanation]) -> str:
    data = [one.as_dict() for one in found]
    return json.dumps(data[0] if len(data) == 1 else data, indent=2) + "\n"


def _as_text(found: Sequence[Explanation]) -> str:
    lines = []
    for one in found:
        lines.append(str(one))
        if one.shared_blocks:
            tokens = f"about {counted(one.shared_tokens, 'token')}"
            blocks = counted(one.shared_blocks, "block")
            lines.append(f"  shared with the request before: {blocks}, {tokens}")
        lines += [f"  {note}" for note in one.notes]
        if one.wrong_forms:
            lines += [f"  {wrong}" for wrong in one.wrong_forms]
            if one.diagnosis.verdict != "failed":
                lines.append("  judged as if these cache points were written as they should be")
        if one.are_points_assumed:
            lines.append(_ASSUMED)
    if len(found) > 1:
        counts = Counter(one.diagnosis.verdict for one in found)
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        wrong = sum(not one.is_fine for one in found)
        mend = f"; {wrong:,} to mend" if wrong else ""
        lines.append(f"{counted(len(found), 'call')}: {said.replace('_', ' ')}{mend}")
    return "\n".join(lines) + "\n"
