"""Why a call read what it read."""

from __future__ import annotations

from langchain_bedrock_cache.diagnosis.diagnoser import Diagnoser, default_diagnoser
from langchain_bedrock_cache.diagnosis.diagnosis import Diagnosis, Verdict
from langchain_bedrock_cache.diagnosis.verdicts import diagnose

__all__ = ["Diagnoser", "Diagnosis", "Verdict", "default_diagnoser", "diagnose"]
