"""CloudWatch: publish what the prompt cache did, read it back, watch it.

General layout:

* `metrics.py`: names of metrics, Bedrock's own and ours
* `values.py`, `batches.py`, `publish.py`: from call records to `PutMetricData`
* `emf.py`: from call records to log lines in Embedded Metric Format
* `queries.py`, `spans.py`, `facts.py`, `shown.py`, `plot.py`, `report.py`, `read.py`: from
  `GetMetricData` to a report
* `expressions.py`, `dashboard.py`, `alarms.py`: what to look at, and what to be told of
"""

from langchain_bedrock_cache.cloudwatch.alarms import alarms_of, put_alarms
from langchain_bedrock_cache.cloudwatch.dashboard import dashboard_body, put_dashboard
from langchain_bedrock_cache.cloudwatch.emf import EmfSink
from langchain_bedrock_cache.cloudwatch.metrics import BEDROCK_NAMESPACE, NAMESPACE, Metric
from langchain_bedrock_cache.cloudwatch.publish import CloudWatchPublisher
from langchain_bedrock_cache.cloudwatch.queries import TimeRange
from langchain_bedrock_cache.cloudwatch.read import models_with_metrics, read_report
from langchain_bedrock_cache.cloudwatch.report import CloudWatchReport
from langchain_bedrock_cache.cloudwatch.spans import MetricSpan

__all__ = [
    "BEDROCK_NAMESPACE",
    "NAMESPACE",
    "CloudWatchPublisher",
    "CloudWatchReport",
    "EmfSink",
    "Metric",
    "MetricSpan",
    "TimeRange",
    "alarms_of",
    "dashboard_body",
    "models_with_metrics",
    "put_alarms",
    "put_dashboard",
    "read_report",
]
