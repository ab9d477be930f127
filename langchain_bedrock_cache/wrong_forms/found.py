"""What can be wrong with a cache point, in words: the problem, what comes of it, and the fix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from langchain_bedrock_cache.wrong_forms.bodies import Api

Form = Literal[
    "same_block",
    "other_spelling",
    "no_type",
    "unknown_type",
    "unknown_ttl",
    "unknown_member",
    "foreign_dialect",
    "inside_tool_result",
    "inside_block",
    "outside_content",
    "first_in_list",
    "two_in_a_row",
    "after_empty_text",
    "after_reasoning",
    "after_document",
    "not_after_text",
    "closed_section",
    "ttl_not_offered",
    "ttl_spelled_out",
    "ttl_order",
    "too_many",
]
Outcome = Literal["boto3_refuses", "bedrock_refuses", "no_effect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongForm:
    """A cache point that is not as it should be.

    Attributes:
        form: What is wrong, as a name.
        place: Where in the body, such as `messages[0].content[1]`; cache points are counted.
        outcome: What comes of it: the call fails in boto3 or at Bedrock, or caches nothing.
        problem: What is wrong, in a sentence.
        fix: What to write instead.
    """

    form: Form
    place: str
    outcome: Outcome
    problem: str
    fix: str

    def as_dict(self) -> dict[str, str]:
        """Return it as plain data, for JSON."""
        return {
            "form": self.form,
            "place": self.place,
            "outcome": self.outcome,
            "problem": self.problem,
            "fix": self.fix,
        }

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.place}: {self.problem} ({_OUTCOMES[self.outcome]}). {self.fix}"


_OUTCOMES: Mapping[Outcome, str] = {
    "boto3_refuses": "boto3 refuses it",
    "bedrock_refuses": "Bedrock refuses it",
    "no_effect": "no effect",
}

_POINT = "{'cachePoint': {'type': 'default'}}"
_CONTROL = "'cache_control': {'type': 'ephemeral'}"


class _Words(NamedTuple):
    outcome: Outcome
    problem: str
    fix: str


_WORDS: Mapping[Form, _Words] = {
    "same_block": _Words(
        "boto3_refuses",
        "{members} and cachePoint share a block",
        f"Give the point a block of its own behind it: {_POINT}.",
    ),
    "other_spelling": _Words(
        "boto3_refuses",
        "{member} is not what Converse calls it",
        f"Write {_POINT}, a block of its own.",
    ),
    "no_type": _Words("boto3_refuses", "the cache point has no type", f"Write {_POINT}."),
    "unknown_type": _Words(
        "bedrock_refuses", "type {value} is not known", "Write 'type': '{expected}'."
    ),
    "unknown_ttl": _Words(
        "bedrock_refuses",
        "ttl {value} is not known",
        "Write '5m' or '1h', or leave it out for five minutes.",
    ),
    "unknown_member": _Words(
        "boto3_refuses",
        "{member} is no member of a cache point",
        "It has a type and, for an hour, 'ttl': '1h'.",
    ),
    "foreign_dialect": _Words(
        "boto3_refuses",
        "cache_control belongs to Anthropic's format, not to this one",
        f"Leave it out and put a block of its own behind: {_POINT}.",
    ),
    "inside_tool_result": _Words(
        "boto3_refuses",
        "a cache point cannot stand inside toolResult.content",
        "Put it behind the toolResult block, in the content of the message.",
    ),
    "inside_block": _Words(
        "boto3_refuses",
        "a cache point cannot stand inside another block",
        f"Put it behind that block, in the same list: {_POINT}.",
    ),
    "outside_content": _Words(
        "boto3_refuses",
        "a cache point cannot stand beside the lists of blocks",
        f"Put it behind the last block that stays the same: {_POINT}.",
    ),
    "first_in_list": _Words(
        "bedrock_refuses",
        "the cache point has nothing before it in its list",
        "Put it behind the block that ends the stable part.",
    ),
    "two_in_a_row": _Words(
        "no_effect",
        "the cache point follows another one, and counts toward the four",
        "Leave one of them out.",
    ),
    "after_empty_text": _Words(
        "bedrock_refuses",
        "there is only an empty text before the cache point",
        "Leave out the empty text, and the cache point if nothing else is before it.",
    ),
    "after_reasoning": _Words(
        "bedrock_refuses",
        "the cache point is on reasoning",
        "Put it behind the next block that is not, or into the next message.",
    ),
    "after_document": _Words(
        "bedrock_refuses",
        "the cache point follows a document that is no PDF",
        "Put a text block between them: {'text': '\\n'} is enough.",
    ),
    "not_after_text": _Words(
        "bedrock_refuses",
        "the cache point follows a {before} block, and {model} takes one only after text",
        "Put it behind a text block.",
    ),
    "closed_section": _Words(
        "bedrock_refuses",
        "{model} takes no cache point in {section}",
        "Leave it out: tools are cached with what follows them.",
    ),
    "ttl_not_offered": _Words(
        "bedrock_refuses", "{model} does not offer ttl {value}", "Leave the ttl out."
    ),
    "ttl_spelled_out": _Words(
        "bedrock_refuses",
        "{model} has one lifetime, and some report that it refuses even '5m'",
        "Leave the ttl out.",
    ),
    "ttl_order": _Words(
        "bedrock_refuses",
        "ttl '1h' comes after '5m', in the order tools, system, messages",
        "Give the earlier points '1h' as well, or this one '5m'.",
    ),
    "too_many": _Words(
        "bedrock_refuses",
        "this is cache point {number}, and a request may have {limit}",
        "Keep those at the ends of tools, system and the conversation, or leave them all to "
        "cached_client.",
    ),
}

# Where Claude's own format is written differently.
_CLAUDE_WORDS: Mapping[Form, _Words] = {
    "no_type": _Words("bedrock_refuses", "cache_control has no type", f"Write {_CONTROL}."),
    "unknown_member": _Words(
        "bedrock_refuses",
        "{member} is no member of cache_control",
        "It has a type and, for an hour, 'ttl': '1h'.",
    ),
    "foreign_dialect": _Words(
        "bedrock_refuses",
        "{member} belongs to Converse, not to Claude's own format",
        f"Write {_CONTROL} inside the block that ends the stable part.",
    ),
    "outside_content": _Words(
        "bedrock_refuses",
        "{member} cannot stand beside the lists of blocks",
        f"Write {_CONTROL} inside the last block that stays the same (a plain text as system or "
        "content must become a list of blocks first).",
    ),
}


def wrong_form(
    form: Form, place: str, *, api: Api, outcome: Outcome | None = None, **details: Any
) -> WrongForm:
    """Return what is to be said of a wrong form.

    Args:
        form: Its name.
        place: Where it stands.
        api: What the body is for: InvokeModel's bodies are not looked at by boto3.
        outcome: What comes of it, where that depends on the value.
        details: What the sentences need to know.
    """
    words = _WORDS[form]
    if api == "claude":
        words = _CLAUDE_WORDS.get(form, words)
    outcome = outcome or words.outcome
    refused_later = api != "converse" and outcome == "boto3_refuses"
    return WrongForm(
        form=form,
        place=place,
        outcome="bedrock_refuses" if refused_later else outcome,
        problem=_filled(words.problem, details),
        fix=_filled(words.fix, details),
    )


def _filled(sentence: str, details: Mapping[str, Any]) -> str:
    """Put details into a sentence; braces of examples stay."""
    for name, value in details.items():
        sentence = sentence.replace(f"{{{name}}}", str(value))
    return sentence
