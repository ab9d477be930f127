"""`serverless`: the files that deploy a Lambda function and state machines for documents."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", type=Path, help="where to write the files")
    parser.add_argument("--model", required=True, help="model or inference profile, as sent")
    parser.add_argument("--base-model", help="the model behind an ARN that does not name it")
    parser.add_argument("--document-bucket", default="", help="existing bucket with the documents")
    parser.add_argument("--instructions", help="system prompt of all questions")
    parser.add_argument("--ttl", choices=("5m", "1h"), default="5m", help="default: %(default)s")
    parser.add_argument("--max-tokens", type=int, default=1024, help="longest answer")
    parser.add_argument("--questions-at-once", type=int, default=8, help="on one document")
    parser.add_argument("--documents-at-once", type=int, default=4)
    parser.add_argument("--documents-per-batch", type=int, default=4)
    parser.add_argument("--partition", default="aws", help="such as aws-cn; default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Write the files, and never over others; 0."""
    from langchain_bedrock_cache.serverless import deployment_files  # noqa: PLC0415 - only here

    files = deployment_files(
        model=args.model,
        base_model=args.base_model,
        document_bucket=args.document_bucket,
        instructions=args.instructions,
        ttl=args.ttl,
        max_tokens=args.max_tokens,
        questions_at_once=args.questions_at_once,
        documents_at_once=args.documents_at_once,
        documents_per_batch=args.documents_per_batch,
        partition=args.partition,
    )
    existing = [name for name in files if (args.folder / name).exists()]
    if existing:
        msg = f"{args.folder} has {', '.join(existing)} already. Choose another folder."
        raise FileExistsError(msg)
    args.folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (args.folder / name).write_text(content, encoding="utf-8")
        sys.stdout.write(f"{args.folder / name}\n")
    return 0
