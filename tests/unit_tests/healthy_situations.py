"""Ordinary applications that nothing is wrong with: no call of them is to be called broken."""

from __future__ import annotations

from collections.abc import Callable

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from situation_runs import with_tools
from situation_stage import ANSWER, RULES, SONNET, TOOLS, Situation, Stage, ask, system, turns
from wire import CLAUDE, words

from langchain_bedrock_cache import CachePolicy
from langchain_bedrock_cache.documents import conversational_prompt

_QUESTIONS = [
    f"Question {n}: {words(6, topic)}?" for n, topic in enumerate(("ferry", "pier", "tide"))
]


def _in_turn(*models: Callable[[Stage], object]) -> Callable[[Stage], None]:
    """Ask the same questions of several models, one after the other."""

    def run(stage: Stage) -> None:
        made = [make(stage) for make in models]
        for question in _QUESTIONS:
            for model in made:
                stage.call(ask(question), model=model)

    return run


def _chat_with_passages(stage: Stage) -> None:
    history: list[BaseMessage] = []
    chain = conversational_prompt(RULES) | stage.model()
    for n, question in enumerate(_QUESTIONS):
        stage.clock.advance(1)
        passages = [Document(words(900, f"passage{n}{i}")) for i in range(2)]
        asked = {"context": passages, "input": question, "chat_history": history}
        chain.invoke(asked, {"callbacks": [stage.handler]})
        history += [HumanMessage(question), AIMessage(ANSWER)]


def _tenants(stage: Stage) -> None:
    for tenant in ("acme", "bolt", "acme", "bolt"):
        policy = CachePolicy.fixed(system="5m", tenant=tenant, tenant_key="secret")
        stage.call(ask(), model=stage.model(cache_policy=policy))


HEALTHY: dict[str, Situation] = {
    "two models asked in turn": Situation(
        run=_in_turn(lambda s: s.model(), lambda s: s.model(SONNET)), verdict="hit"
    ),
    "two Regions asked in turn": Situation(
        run=_in_turn(lambda s: s.model(), lambda s: s.model(CLAUDE, region="eu-central-1")),
        verdict="hit",
    ),
    "a chain with tools beside one without": Situation(
        run=_in_turn(lambda s: s.model(), with_tools(TOOLS)), verdict="hit"
    ),
    "both APIs in turn": Situation(
        run=_in_turn(lambda s: s.model(), lambda s: s.invoke_model()), verdict="hit"
    ),
    "a date in a block of its own, behind what stays": Situation(
        run=lambda s: [
            s.call(
                [system(RULES, f"Today is 2027-03-0{day}."), HumanMessage(_QUESTIONS[day % 3])],
                model=s.model(cache_policy=CachePolicy()),
            )
            for day in range(1, 7)
        ],
        verdict="hit",
    ),
    "a chat about passages that are not kept": Situation(run=_chat_with_passages, verdict="hit"),
    "other passages for each question": Situation(
        run=lambda s: [
            s.call([system(RULES), HumanMessage(f"{words(900, f'passage{n}')}\n\n{question}")])
            for n, question in enumerate(_QUESTIONS)
        ],
        verdict="hit",
    ),
    "a short system prompt with the date, and other passages": Situation(
        run=lambda s: [
            s.call([
                system(f"Today is 2027-03-0{n}. Answer from the passages."),
                HumanMessage(f"{words(1_500, f'passage{n}')}\n\n{question}"),
            ])
            for n, question in enumerate(_QUESTIONS, 1)
        ],
        verdict="first_write",
    ),
    "several users in turn": Situation(
        run=lambda s: [
            s.call([system(RULES), HumanMessage(f"I am user {user}."), *turns(turn)[1:]])
            for turn in range(1, 4)
            for user in range(3)
        ],
        verdict="hit",
    ),
    "tenants with the same prompt": Situation(run=_tenants, verdict="hit"),
}  # fmt: skip
