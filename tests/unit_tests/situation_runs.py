"""How broken situations run: models to call, and calls that go wrong in one known way each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import wire
from botocore.exceptions import ClientError
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableParallel
from native_bodies import native
from situation_stage import ANSWER, EVERYWHERE, ROUTER, RULES, TOOLS, Stage, ask
from wire import CLAUDE, NOVA, POINT, words

from langchain_bedrock_cache import CachePolicy, cached_client, warm

LATENCY_SECONDS = 2.0


def twice(first: Sequence[BaseMessage], second: Sequence[BaseMessage]) -> Callable[[Stage], None]:
    """Call the same model twice."""

    def run(stage: Stage) -> None:
        stage.call(first)
        stage.call(second)

    return run


def rules_change(before: str, now: str) -> Callable[[Stage], None]:
    """Ask the same twice, under a system prompt that has changed."""
    return twice(ask(rules=before), ask(rules=now))


def pair(before: Any, now: Any, *, after: float = 1) -> Callable[[Stage], None]:
    """Ask the same twice, of two models that are made on the stage."""

    def run(stage: Stage) -> None:
        stage.call(ask(), model=before(stage))
        stage.call(ask(), model=now(stage), after=after)

    return run


def model(model_id: str = CLAUDE, **kwargs: Any) -> Callable[[Stage], Any]:
    """Return what makes a chat model on a stage."""
    return lambda stage: stage.model(model_id, **kwargs)


def invoke_model(**kwargs: Any) -> Callable[[Stage], Any]:
    """Return what makes a chat model that speaks InvokeModel on a stage."""
    return lambda stage: stage.invoke_model(**kwargs)


def invoked(
    first: Sequence[BaseMessage], second: Sequence[BaseMessage], *, after: float = 1
) -> Callable[[Stage], None]:
    """Call a model that speaks InvokeModel twice."""

    def run(stage: Stage) -> None:
        stage.call(first, model=stage.invoke_model())
        stage.call(second, model=stage.invoke_model(), after=after)

    return run


def routed(*questions: str) -> Callable[[Stage], None]:
    """Ask a prompt router."""

    def run(stage: Stage) -> None:
        for question in questions:
            stage.call(ask(question), model=stage.model(ROUTER, provider="anthropic"))

    return run


def with_tools(tools: Sequence[Any], **kwargs: Any) -> Callable[[Stage], Any]:
    """Return what makes a model with tools on a stage."""
    return lambda stage: stage.model().bind_tools(tools, **kwargs)


def thinking(budget: int) -> Callable[[Stage], Any]:
    """Return what makes a model with a thinking budget in tokens."""
    fields = {"thinking": {"type": "enabled", "budget_tokens": budget}}
    return model(additional_model_request_fields=fields, max_tokens=8_000)


def with_fields(**fields: Any) -> Callable[[Stage], Any]:
    """Return what makes a model with request fields of its own."""
    return model(additional_model_request_fields=fields)


def many_tool_results(stage: Stage) -> None:
    """Put more blocks between two cache points than Claude looks back over."""
    model = stage.model(cache_policy=CachePolicy.off()).bind_tools(TOOLS)
    text: Any = {"type": "text", "text": words(2_000)}
    stage.call([HumanMessage([text, POINT])], model=model)
    calls: Any = [{"name": "read", "args": {"n": n}, "id": f"call{n}"} for n in range(30)]
    results: list[BaseMessage] = [
        ToolMessage(f"Result number {n}", tool_call_id=f"call{n}") for n in range(29)
    ]
    last: Any = [{"type": "text", "text": "Result number 29"}]
    results.append(ToolMessage(last, tool_call_id="call29"))
    follow = HumanMessage([{"type": "text", "text": "Now sum it up, please."}, POINT])
    asked = [HumanMessage([text]), AIMessage("", tool_calls=calls)]
    stage.call([*asked, *results, follow], model=model)


def moving_point_on_nova(stage: Stage) -> None:
    """Move the point of a conversation on, for a model that does not look back."""
    model = stage.model(NOVA, cache_policy=CachePolicy.off())
    first: Any = [{"type": "text", "text": words(2_000)}, POINT]
    follow: Any = [{"type": "text", "text": "And what is rule 8 about?"}, POINT]
    stage.call([HumanMessage(first)], model=model)
    kept = HumanMessage(words(2_000))
    stage.call([kept, AIMessage(ANSWER), HumanMessage(follow)], model=model)


def parallel_first_calls(stage: Stage) -> None:
    """Call twice before the first answer has come."""
    stage.meeting = threading.Barrier(2)
    both = RunnableParallel(a=stage.model(), b=stage.model())
    both.invoke(ask(), {"callbacks": [stage.handler]})


def refused(stage: Stage) -> None:
    """Have the cache points refused."""
    stage.emulator.refuse_cache_points()
    stage.call(ask())


def throttled(stage: Stage) -> None:
    """Have the second call throttled until it fails."""
    stage.call(ask())
    stage.emulator.fail_next("ThrottlingException", times=10)
    with suppress(ClientError):
        stage.call(ask())


def evicted(stage: Stage) -> None:
    """Call twice, with an emulator that forgets in between."""
    stage.call(ask())
    stage.emulator.forget()
    stage.call(ask())


def too_long_for_nova(stage: Stage) -> None:
    """Put a point after more tokens than Nova caches."""
    text: Any = [{"type": "text", "text": words(25_000)}, POINT]
    stage.call([HumanMessage(text)], model=stage.model(NOVA, cache_policy=CachePolicy.off()))


def unheard(
    first: Sequence[BaseMessage], second: Sequence[BaseMessage], *, after: float = 1
) -> Callable[[Stage], None]:
    """Call twice, before and after the first handler of the process is made."""

    def run(stage: Stage) -> None:
        stage.dismiss_handler()
        stage.call(first, is_heard=False)
        stage.hire_handler()
        stage.call(second, after=after)

    return run


def warmed(stage: Stage) -> None:
    """Warm a system prompt up before the first handler is made, and come too late."""
    stage.dismiss_handler()
    warm(stage.model(), ask()[:1])
    stage.hire_handler()
    stage.call(ask(), after=400)


def abandoned(
    first: Sequence[BaseMessage], second: Sequence[BaseMessage], *, after: float = 1
) -> Callable[[Stage], None]:
    """Break a stream off after two pieces, and call again."""

    def run(stage: Stage) -> None:
        stream = stage.model().stream(first, {"callbacks": [stage.handler]})
        next(stream)
        next(stream)
        stream.close()
        stage.call(second, after=after)

    return run


def boto3_calls(
    *systems: str, operation: str = "converse", after: float = 1
) -> Callable[[Stage], None]:
    """Call a client without LangChain, whose calls the handler records."""

    def run(stage: Stage) -> None:
        client = cached_client(
            stage.emulator.client(),
            policy=EVERYWHERE,
            memory=stage.memory,
            recorder=stage.handler,
        )
        for system in systems:
            stage.clock.advance(after)
            request = wire.ask(wire.user("What is rule 7 about?"), system=[{"text": system}])
            if operation == "converse":
                client.converse(**request)
            else:
                client.invoke_model(**native(request))

    return run


def by_default(stage: Stage) -> None:
    """The default policy, where the system prompt begins with the time."""
    for minute in range(3):
        rules = f"It is 10:{minute:02}. {RULES}"
        stage.call(ask(rules=rules), model=stage.model(cache_policy=CachePolicy()), after=60)
