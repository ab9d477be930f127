"""Markers in prompt templates: they split the template's text, and nothing but the template's."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_aws import ChatBedrockConverse
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    SystemMessagePromptTemplate,
)
from wire import HOUR, POINT, points

from langchain_bedrock_cache import CachePointTransformer, CachePolicyError
from langchain_bedrock_cache.converse import strip_points
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.runnables.splitting import MARKER, SplitChatPromptTemplate

split = CachePointTransformer.split


def chat(*messages: Any, **options: Any) -> ChatPromptTemplate:
    """Return a chat prompt template."""
    return ChatPromptTemplate.from_messages([*messages], **options)


def contents(messages: list[BaseMessage]) -> list[Any]:
    """Return the contents of messages."""
    return [message.content for message in messages]


def _typed(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


SPLIT: dict[str, tuple[ChatPromptTemplate | PromptTemplate, dict[str, Any], list[Any]]] = {
    "a system template": (
        chat(("system", f"Stay.{MARKER} Today is {{day}}."), ("human", "{question}")),
        {"day": "Monday", "question": "Why?"},
        [["Stay.", POINT, " Today is Monday."], "Why?"],
    ),
    "several markers": (
        chat(("human", f"a{MARKER}b{MARKER}c")),
        {},
        [["a", POINT, "b", POINT, "c"]],
    ),
    "at either end": (chat(("human", f"{MARKER}a{MARKER}")), {}, [[POINT, "a", POINT]]),
    "around a variable that is empty": (
        chat(("human", f"a{MARKER}{{notes}}{MARKER}b")),
        {"notes": ""},
        [["a", POINT, POINT, "b"]],
    ),
    "a template of blocks": (
        chat(("human", [_typed(f"{{doc}}{MARKER}\n"), _typed("{question}")])),
        {"doc": "D", "question": "Q"},
        [["D", POINT, "\n", _typed("Q")]],
    ),
    "literal messages": (
        chat(
            SystemMessage(f"a{MARKER}b"),
            HumanMessage([_typed(f"c{MARKER}"), _typed("d")]),
            AIMessage("e"),
        ),
        {},
        [["a", POINT, "b"], ["c", POINT, _typed("d")], "e"],
    ),
    "a block that says more, of its end": (
        chat(("human", [{**_typed(f"a{MARKER}b"), "cache_control": {"type": "ephemeral"}}])),
        {},
        [["a", POINT, {**_typed("b"), "cache_control": {"type": "ephemeral"}}]],
    ),
    "blocks that are no text": (
        chat(HumanMessage([{"type": "guard_content", "text": MARKER}, _typed(f"a{MARKER}")])),
        {},
        [[{"type": "guard_content", "text": MARKER}, "a", POINT]],
    ),
    "mustache": (
        chat(("human", f"a{{{{x}}}}{MARKER}b"), template_format="mustache"),
        {"x": 1},
        [["a1", POINT, "b"]],
    ),
    "a loop": (
        chat(
            ("human", f"{{{{#docs}}}}{{{{.}}}}{MARKER}{{{{/docs}}}}?"), template_format="mustache"
        ),
        {"docs": ["x", "y"]},
        [["x", POINT, "y", POINT, "?"]],
    ),
    "a plain prompt template": (
        PromptTemplate.from_template(f"{{doc}}{MARKER}{{question}}"),
        {"doc": "D", "question": "Q"},
        [["D", POINT, "Q"]],
    ),
    "partial variables of one message": (
        chat(
            HumanMessagePromptTemplate.from_template(
                f"{{a}}{MARKER}{{b}}", partial_variables={"a": "A"}
            )
        ),
        {"b": "B"},
        [["A", POINT, "B"]],
    ),
    "a template inside a template": (
        ChatPromptTemplate([chat(("system", f"a{MARKER}b")), ("human", "c")]),
        {},
        [["a", POINT, "b"], "c"],
    ),
    "messages in a row, which langchain-aws joins by a newline": (
        chat(("human", f"a{MARKER}b"), ("human", "c"), ("ai", "d"), ("ai", f"e{MARKER}")),
        {},
        [["a", POINT, "b\nc"], "d", ["e", POINT]],
    ),
}


@pytest.mark.parametrize(("prompt", "values", "expected"), SPLIT.values(), ids=SPLIT.keys())
async def test_markers_split_the_text_of_the_template(
    prompt: ChatPromptTemplate | PromptTemplate, values: dict[str, Any], expected: list[Any]
) -> None:
    """Each marker becomes a cache point between two pieces of text; sync and async alike."""
    prompt_value = split(prompt).invoke(values)

    assert contents(prompt_value.to_messages()) == expected
    assert await split(prompt).ainvoke(values) == prompt_value


_texts = st.text(st.sampled_from("ab \n{}<>"), max_size=8)


@settings(deadline=None, max_examples=100)
@given(pieces=st.lists(_texts, min_size=2, max_size=4), document=_texts, own_marker=st.booleans())
def test_the_pieces_are_the_text(pieces: list[str], document: str, *, own_marker: bool) -> None:
    """The pieces joined are the text without the template's markers, to the character.

    A marker in a document stays in it.
    """
    document += MARKER if own_marker else ""
    template = MARKER.join(p.replace("{", "{{").replace("}", "}}") for p in pieces) + "{document}"
    prompt = split(chat(("human", template)))

    (message,) = prompt.format_messages(document=document)

    assert isinstance(message.content, list)
    texts = [block for block in message.content if isinstance(block, str)]
    assert "".join(texts) == "".join(pieces) + document
    assert message.content.count(POINT) == len(pieces) - 1


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=_texts, second=_texts)
def test_the_model_sees_the_text(
    emulator: BedrockEmulator, plain_model: ChatBedrockConverse, first: str, second: str
) -> None:
    """On the wire, too, the pieces joined are the text: blank ones are not replaced."""
    prompt = split(chat(("human", f"Hello {{first}}{MARKER}{{second}}")))

    (prompt | CachePointTransformer() | plain_model).invoke({"first": first, "second": second})

    blocks = strip_points(emulator.requests[-1])["messages"][0]["content"]
    assert "".join(block["text"] for block in blocks) == f"Hello {first}{second}"


def test_only_the_template_is_split(
    emulator: BedrockEmulator, plain_model: ChatBedrockConverse
) -> None:
    """Variables, placeholders and few-shot examples may contain the marker's text."""
    few_shots = FewShotChatMessagePromptTemplate(
        examples=[{"q": MARKER, "a": "b"}],
        example_prompt=chat(("human", "{q}"), ("ai", "{a}")),
    )
    prompt = split(chat(("system", f"a{MARKER}{{x}}"), few_shots, MessagesPlaceholder("history")))

    chain = prompt | CachePointTransformer() | plain_model
    chain.invoke({"x": MARKER, "history": [("human", f"c{MARKER}d")]})

    request = emulator.requests[-1]
    assert points(request) == ["system[0]"]
    assert request["system"][-1] == {"text": MARKER}
    assert [m["content"][0]["text"] for m in request["messages"]] == [MARKER, "b", f"c{MARKER}d"]


def test_marker_and_lifetime_can_be_chosen() -> None:
    """A marker of your own is the only one that counts, and may stand for an hour."""
    prompt = split(chat(("human", f"a[here]b{MARKER}")), marker="[here]", ttl="1h")

    assert contents(prompt.format_messages()) == [["a", HOUR, f"b{MARKER}"]]


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_the_template_is_still_a_template() -> None:
    """Variables, partial values, saving and loading work, and the original is as it was."""
    original = chat(("system", f"{{a}}{MARKER}{{b}}"), ("placeholder", "{history}"))
    before = dumps(original)
    prompt = split(original)

    partial = prompt.partial(a="A")
    parts: list[Any] = [SystemMessagePromptTemplate, MessagesPlaceholder, PromptTemplate]
    loaded = loads(
        dumps(prompt),
        allowed_objects=[SplitChatPromptTemplate, *parts],
        valid_namespaces=["langchain_bedrock_cache"],
    )

    assert sorted(prompt.input_variables) == ["a", "b"]
    assert contents(partial.format_messages(b="B")) == [["A", POINT, "B"]]
    assert contents(loaded.format_messages(a="A", b="B")) == [["A", POINT, "B"]]
    assert contents(pickle.loads(pickle.dumps(prompt)).format_messages(a="A", b="B")) == [  # noqa: S301
        ["A", POINT, "B"]
    ]
    assert MARKER in prompt.pretty_repr()
    assert dumps(original) == before


def test_splitting_again_changes_the_marker_only() -> None:
    """A split template can be split once more, with another marker."""
    prompt = split(split(chat(("human", f"a{MARKER}b|c"))), marker="|")

    assert contents(prompt.format_messages()) == [[f"a{MARKER}b", POINT, "c"]]


BAD: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "no marker": (chat(("human", "a")), {}, CachePolicyError, "There is no '<<cache-point>>'"),
    "no marker in a plain prompt": (
        PromptTemplate.from_template("a"),
        {},
        CachePolicyError,
        "There is no",
    ),
    "an empty marker": (chat(("human", "a")), {"marker": ""}, CachePolicyError, "marker is ''"),
    "a marker with braces": (
        chat(("human", "a")),
        {"marker": "{here}"},
        CachePolicyError,
        "without braces",
    ),
    "an unknown ttl": (
        chat(("human", MARKER)),
        {"ttl": "2h"},
        CachePolicyError,
        "ttl is '2h'",
    ),
    "no template": ("a" + MARKER, {}, TypeError, "not str"),
}


@pytest.mark.parametrize(("prompt", "options", "error", "text"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_a_clear_error(
    prompt: Any, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    """What cannot be split is an error that says why, before anything is formatted."""
    with pytest.raises(error, match=text):
        split(prompt, **options)
