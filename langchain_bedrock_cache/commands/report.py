"""`report`: what the prompt cache did, from CloudWatch; also its dashboard and alarms."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--hours", type=float, default=24.0, help="how far back; default: 24")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        help="model ID as called; may be repeated; default: all with calls",
    )
    parser.add_argument(
        "--published",
        action="store_true",
        help="read what this package published instead of Bedrock's own metrics",
    )
    parser.add_argument("--namespace", help="of the published metrics")
    parser.add_argument(
        "--dimension",
        action="append",
        type=_pair,
        default=[],
        metavar="NAME=VALUE",
        help="of the published metrics; may be repeated",
    )
    parser.add_argument(
        "--base-model", help="the model behind --model, if its ID does not name it (an ARN)"
    )
    parser.add_argument(
        "--write-ttl", choices=("5m", "1h"), default="5m", help="lifetime of writes; default: 5m"
    )
    parser.add_argument("--region", help="AWS Region; default: that of your AWS settings")
    parser.add_argument("--profile", help="AWS profile; default: that of your AWS settings")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print the report as JSON")
    output.add_argument("--dashboard", action="store_true", help="print a dashboard's body")
    output.add_argument("--alarms", action="store_true", help="print put-metric-alarm arguments")
    parser.add_argument(
        "--hit-ratio-below", type=float, default=0.5, help="limit of the alarm; default: 0.5"
    )
    parser.add_argument(
        "--alarm-action", action="append", default=[], metavar="ARN", help="such as an SNS topic"
    )
    parser.add_argument(
        "--deploy", action="store_true", help="create the dashboard or the alarms in your account"
    )


def run(args: argparse.Namespace) -> int:
    """Print the report, or what watches it; 0, or 1 if AWS did not answer."""
    if args.deploy and not (args.dashboard or args.alarms):
        sys.stderr.write("langchain-bedrock-cache report: --deploy what? --dashboard or --alarms\n")
        return 1
    from boto3.session import Session  # noqa: PLC0415 - only needed here
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

    try:
        client = Session(profile_name=args.profile, region_name=args.region).client("cloudwatch")
        if args.dashboard:
            _dashboard(client, args)
        elif args.alarms:
            _alarms(client, args)
        else:
            _report(client, args)
    except (BotoCoreError, ClientError) as error:
        notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
        sys.stderr.write(f"langchain-bedrock-cache report: {error}{notes}\n")
        return 1
    return 0


def _report(client: Any, args: argparse.Namespace) -> None:
    from langchain_bedrock_cache.cloudwatch import read_report  # noqa: PLC0415 - only needed here

    report = read_report(
        client,
        hours=args.hours,
        model_ids=args.model,
        source="published" if args.published else "bedrock",
        namespace=args.namespace,
        dimensions=dict(args.dimension),
        base_models=dict.fromkeys(args.model, args.base_model) if args.base_model else None,
        write_ttl=args.write_ttl,
    )
    sys.stdout.write(f"{report.to_json(indent=2) if args.json else report}\n")


def _dashboard(client: Any, args: argparse.Namespace) -> None:
    from langchain_bedrock_cache.cloudwatch import (  # noqa: PLC0415 - only needed here
        NAMESPACE,
        dashboard_body,
        put_dashboard,
    )

    body = dashboard_body(
        _models(client, args),
        region=client.meta.region_name,
        published_in=(args.namespace or NAMESPACE) if args.published else None,
        dimensions=dict(args.dimension),
    )
    if args.deploy:
        put_dashboard(client, body)
    _print_json(body)


def _alarms(client: Any, args: argparse.Namespace) -> None:
    from langchain_bedrock_cache.cloudwatch import (  # noqa: PLC0415 - only needed here
        alarms_of,
        put_alarms,
    )

    alarms = [
        alarm
        for model_id in _models(client, args)
        for alarm in alarms_of(
            model_id,
            hit_ratio_below=args.hit_ratio_below,
            base_model=args.base_model,
            actions=args.alarm_action,
        )
    ]
    if args.deploy:
        put_alarms(client, alarms)
    _print_json(alarms)


def _models(client: Any, args: argparse.Namespace) -> list[str]:
    from langchain_bedrock_cache.cloudwatch import models_with_metrics  # noqa: PLC0415 - as above

    return args.model or models_with_metrics(client)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        msg = f"{text!r} is not of the form NAME=VALUE"
        raise argparse.ArgumentTypeError(msg)
    return name, value


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
