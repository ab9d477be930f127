"""What CloudWatch's sums say, as text and as a piece of HTML."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from langchain_bedrock_cache.cloudwatch.facts import MetricFacts
from langchain_bedrock_cache.cloudwatch.metrics import BEDROCK_NAMESPACE
from langchain_bedrock_cache.report.html import as_html as bare_html
from langchain_bedrock_cache.report.rows import ReportRow
from langchain_bedrock_cache.report.words import HEADINGS, cells, headline, notes_on, usd


def as_text(facts: MetricFacts) -> str:
    """Return lines of text: a sentence, a table, and what CloudWatch does not know."""
    lines = [_subject(facts), headline(facts)]
    if facts.spans:
        table = [_known(facts, HEADINGS), *(_known(facts, cells(row)) for row in _rows(facts))]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines += [""] + [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in table
        ]
    return "\n".join([*lines, "", *notes_on(facts), *_notes(facts)])


def as_html(facts: MetricFacts) -> str:
    """Return a piece of HTML, without scripts or anything from elsewhere."""
    head = "".join(f'<th scope="col">{name}</th>' for name in _known(facts, HEADINGS)[1:])
    body = "".join(_html_row(_known(facts, cells(row))) for row in _rows(facts))
    table = (
        '<div class="scroll" tabindex="0" role="group" aria-label="By model">'
        f'<table><caption>By model</caption><thead><tr><th scope="col">&nbsp;</th>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in (_subject(facts), *_notes(facts)))
    # Inside the region that the rest of the report is in.
    return f"{bare_html(facts).removesuffix('</div>')}{table if facts.spans else ''}{notes}</div>"


def _html_row(texts: tuple[str, ...]) -> str:
    name, *values = texts
    data = "".join(f"<td>{escape(value)}</td>" for value in values)
    return f'<tr><th scope="row">{escape(name)}</th>{data}</tr>'


def _rows(facts: MetricFacts) -> list[ReportRow]:
    models = facts.by("model")
    return [*models, facts.total] if len(models) > 1 else models


def _known(facts: MetricFacts, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the cells of the columns that there is something to fill with."""
    mendable = HEADINGS.index("mendable")
    return texts if facts.knows_waste else (*texts[:mendable], *texts[mendable + 1 :])


def _subject(facts: MetricFacts) -> str:
    own = facts.namespace == BEDROCK_NAMESPACE
    whose = "Bedrock's own metrics" if own else f"Metrics of {facts.namespace}"
    where = f" in {facts.region}" if facts.region else ""
    times = (facts.time_range.start, facts.time_range.end)
    start, end = (datetime.fromtimestamp(t, tz=UTC).strftime("%Y-%m-%d %H:%M") for t in times)
    return f"{whose}{where}, {start} to {end} UTC."


def _notes(facts: MetricFacts) -> list[str]:
    """Say what is known of sums only, and what is not known."""
    notes = []
    if (latency := facts.mean_latency_seconds) is not None:
        first = facts.mean_first_token_seconds
        of_streams = "" if first is None else f", first tokens of streams after {first:.2f} s"
        notes.append(f"Calls took {latency:.2f} s{of_streams} (means, hits and misses alike).")
    if facts.throttled_calls:
        notes.append(f"{facts.throttled_calls:,} requests were throttled, and are not in calls.")
    cost, if_1h = facts.total.cost_usd, facts.if_1h_usd
    if cost is not None and if_1h is not None and if_1h > cost:
        notes.append(
            "Bedrock's metrics do not tell for how long was written: 5 minutes are assumed. "
            f"If it was an hour, the cost is up to {usd(if_1h)}."
        )
    if facts.silent_models:
        notes.append(
            f"No data of {', '.join(facts.silent_models)}: a model is listed under the ID that was "
            "called, in the Region that was called."
        )
    if facts.spans:
        notes.append("Metrics are sums; CacheUsageCallbackHandler's report says why calls missed.")
    if facts.knows_waste:
        notes.append(
            "It also says what mending is worth where nothing was in the cache, less its cost."
        )
    return notes
