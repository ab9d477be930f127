"""A run of many questions: planned before Step Functions fans out, summed up afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from langchain_bedrock_cache.serverless.errors import InvalidRequestError
from langchain_bedrock_cache.serverless.grouping import MAX_QUESTIONS, group_items, planned_ids
from langchain_bedrock_cache.serverless.item_files import read_items
from langchain_bedrock_cache.serverless.storage import Location, Storage
from langchain_bedrock_cache.serverless.totals import collect

_PLAN = "plan.json"


class Runs:
    """Plans runs, and sums them up.

    A run is a folder in S3: `plan.json`, `answers/`, `results.jsonl` (a line for each question) and
    `summary.json`.

    Args:
        storage: Where lists of items are, and runs are kept.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def reply(self, event: Any) -> dict[str, Any]:
        """Do what an event says: its `action` is `"plan"` or `"summarize"`.

        Raises:
            ServerlessError: If the event is not what it has to be, or S3 fails.
        """
        action = event.get("action") if isinstance(event, Mapping) else None
        if action == "plan":
            return self.plan(event)
        if action == "summarize":
            return self.summarize(event)
        msg = f"action is {action!r}; choose one of 'plan', 'summarize'."
        raise InvalidRequestError(msg, field="action")

    def plan(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Group the questions by document, and keep the plan in the folder of the run.

        Args:
            event: `run_uri`, `items` or `items_uri`, and optionally `max_questions` of a group.

        Returns:
            `documents`, the groups, for items given; `bucket` and `key` of the plan, for a file.

        Raises:
            ServerlessError: If an item is not what it has to be, or S3 fails.
        """
        run_uri = _run_uri(event)
        inline = "items_uri" not in event
        groups = group_items(
            event.get("items") if inline else self._items(event),  # type: ignore[arg-type] # checked there
            run_uri=run_uri,
            max_questions=event.get("max_questions", MAX_QUESTIONS),
        )
        questions = sum(1 for _ in planned_ids(groups))
        if inline and questions > MAX_QUESTIONS:
            msg = (
                f"{questions} items were given, but results of at most {MAX_QUESTIONS} fit into "
                "one state of Step Functions. Put them into a file in S3, and start the "
                "distributed state machine with its items_uri."
            )
            raise InvalidRequestError(msg, field="items")
        plan = Location.of(f"{run_uri}{_PLAN}", field="run_uri")
        self._storage.write(plan, json.dumps(groups, ensure_ascii=False))
        if inline:
            return {"documents": groups}
        return {"bucket": plan.bucket, "key": plan.key, "groups": len(groups), "items": questions}

    def summarize(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Sum up a run, and keep results and summary in its folder.

        Args:
            event: `run_uri`, and `results`, the groups' results, or `manifest`, `Bucket` and `Key`
                of what a Distributed Map has written.

        Returns:
            The summary, see `RunResults.summary`, and `results_uri`.

        Raises:
            ServerlessError: If the event is not what it has to be, or S3 fails.
        """
        run_uri = _run_uri(event)
        errors: dict[str, str] = {}
        if "manifest" in event:
            results = list(self._map_results(event["manifest"], errors))
        else:
            results = event.get("results") or []
        plan = self._storage.read_json(Location.of(f"{run_uri}{_PLAN}", field="run_uri"))
        run = collect(results, planned=[*planned_ids(plan)], errors=errors)
        uri = f"{run_uri}results.jsonl"
        lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in run.questions)
        self._storage.write(Location.of(uri, field="run_uri"), lines)
        summary = {**run.summary(), "results_uri": uri}
        self._storage.write(
            Location.of(f"{run_uri}summary.json", field="run_uri"), json.dumps(summary, indent=2)
        )
        return summary

    def _items(self, event: Mapping[str, Any]) -> list[Any]:
        uri = event["items_uri"]
        location = Location.of(uri if isinstance(uri, str) else "", field="items_uri")
        return read_items(self._storage.read(location), name=location.uri)

    def _map_results(
        self, manifest: Mapping[str, Any], errors: dict[str, str]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the groups' results that a Distributed Map has written, and note its errors.

        https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
        (checked 2026-11-22)
        """
        bucket = manifest["Bucket"]
        files = self._storage.read_json(Location(bucket, manifest["Key"]))["ResultFiles"]
        for file in files.get("SUCCEEDED", ()):
            for execution in self._storage.read_json(Location(bucket, file["Key"])):
                yield from json.loads(execution["Output"])
        for kind in ("FAILED", "PENDING"):
            for file in files.get(kind, ()):
                for execution in self._storage.read_json(Location(bucket, file["Key"])):
                    groups = json.loads(execution["Input"])["Items"]
                    error = execution.get("Error", execution.get("Status", kind))
                    errors.update(dict.fromkeys(planned_ids(groups), error))


def _run_uri(event: Mapping[str, Any]) -> str:
    uri = event.get("run_uri")
    if not isinstance(uri, str) or not uri.startswith("s3://") or not uri.endswith("/"):
        msg = "run_uri must be an S3 URI that ends in a slash, such as s3://bucket/runs/1/."
        raise InvalidRequestError(msg, field="run_uri")
    return uri
