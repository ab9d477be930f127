"""Conversations, what of them reaches Bedrock, and what it then reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from wire import (
    HAIKU,
    HOUR,
    IMAGE,
    LEGACY,
    LLAMA,
    NOVA,
    POINT,
    REASONING,
    ask,
    assistant,
    document,
    text,
    tool,
    tool_result,
    tool_use,
    user,
)

from langchain_bedrock_cache import CachePolicy

# Where points go is the matter here, not for how long they live: that depends on what was learned,
# and is stated where it counts.
PLACES = CachePolicy(ttl="5m", unsupported_model_behavior="ignore")
HOURS = CachePolicy.fixed(tools="1h", system="1h", messages="5m")


class Step(NamedTuple):
    """One request of a scenario.

    Attributes:
        request: Converse keyword arguments.
        points: Where points stand on the wire, see `wire.points`.
        cache: What the prompt cache does.
        after: Seconds since the step before.
    """

    request: dict[str, Any]
    points: list[str]
    cache: Literal["nothing", "reads", "writes", "reads and writes"]
    after: float = 10.0


class Scenario(NamedTuple):
    """Requests in order, and the policy they are sent with.

    Attributes:
        steps: The requests.
        policy: Of the client or model.
        transformer: Whether the transformer, which knows neither model nor tools, does as well.
    """

    steps: Sequence[Step]
    policy: CachePolicy = PLACES
    transformer: bool = True


SYSTEM, TOOLS = [text(2000, "system")], [tool(2000)]
BOOK = text(3000, "book")
QUESTION = user(BOOK, "Who?")
TURN_2 = [QUESTION, assistant("He."), user("And then?")]
TURN_3 = [*TURN_2, assistant("She."), user("And after that?")]
CALLS = range(30)
TOOL_TURN = [
    user(text(2000, "task")),
    assistant("Let me see.", tool_use(1)),
    user(tool_result(1, 500)),
]
MANY_RESULTS = [
    *TOOL_TURN,
    assistant("More.", *(tool_use(100 + n) for n in CALLS)),
    user(*(tool_result(100 + n, 60) for n in CALLS)),
]

SCENARIOS: dict[str, Scenario] = {
    "a short prompt has no points": Scenario(
        [Step(ask(user("Hi"), system=[text(100)]), [], "nothing")]
    ),
    "a prompt below the model's minimum has none either": Scenario(
        [Step(ask(user("Hi"), system=[text(3000)], model=HAIKU), [], "nothing")],
        transformer=False,  # it may not know that this model wants 4,096 tokens
    ),
    "the system prompt is written once": Scenario(
        [
            Step(ask(user("Hi"), system=SYSTEM), ["system[0]", "messages[0][0]"], "writes"),
            Step(
                ask(user("Ho"), system=SYSTEM),
                ["system[0]", "messages[0][0]"],
                "reads and writes",
            ),
        ]
    ),
    "the point stands after the document, before the question": Scenario(
        [
            Step(ask(user(BOOK, "Who?")), ["messages[0][0]"], "writes"),
            Step(ask(user(BOOK, "Why?")), ["messages[0][0]"], "reads"),
            Step(ask(user(BOOK, "When?")), ["messages[0][0]"], "reads"),
        ]
    ),
    "documents last: after a PDF a point is legal": Scenario(
        [
            Step(ask(user("Read.", document("pdf", 9000), "Who?")), ["messages[0][1]"], "writes"),
            Step(ask(user("Read.", document("pdf", 9000), "Why?")), ["messages[0][1]"], "reads"),
        ]
    ),
    "documents last: after a text document it is not": Scenario(
        [
            Step(ask(user(BOOK, document("csv"), "Who?")), ["messages[0][0]"], "writes"),
            Step(ask(user(BOOK, document("csv"), "Why?")), ["messages[0][0]"], "reads"),
        ]
    ),
    "images last": Scenario(
        [
            Step(ask(user(BOOK, "What?", IMAGE)), ["messages[0][1]"], "writes"),
            Step(
                ask(user(BOOK, "What?", IMAGE)),
                ["messages[0][1]", "messages[0][2]"],
                "reads and writes",
            ),
        ]
    ),
    "a conversation reads what it wrote": Scenario(
        [
            Step(ask(QUESTION), ["messages[0][0]"], "writes"),
            Step(
                ask(*TURN_2),
                ["messages[0][0]", "messages[0][1]", "messages[1][0]", "messages[2][0]"],
                "reads and writes",
            ),
            Step(
                ask(*TURN_3),
                ["messages[0][0]", "messages[2][0]", "messages[3][0]", "messages[4][0]"],
                "reads and writes",
            ),
        ]
    ),
    "tool results": Scenario(
        [
            Step(
                ask(TOOL_TURN[0], system=SYSTEM, tools=TOOLS),
                ["tools[0]", "system[0]", "messages[0][0]"],
                "writes",
            ),
            Step(
                ask(*TOOL_TURN, system=SYSTEM, tools=TOOLS),
                ["tools[0]", "system[0]", "messages[0][0]", "messages[2][0]"],
                "reads and writes",
            ),
        ]
    ),
    "more tool results than Bedrock looks back over": Scenario(
        [
            Step(
                ask(*TOOL_TURN, tools=TOOLS),
                ["tools[0]", "messages[0][0]", "messages[1][1]", "messages[2][0]"],
                "writes",
            ),
            Step(
                ask(*MANY_RESULTS, tools=TOOLS),
                ["tools[0]", "messages[2][0]", "messages[3][30]", "messages[4][29]"],
                "reads and writes",
            ),
        ]
    ),
    "tools and system are shared by sessions": Scenario(
        [
            Step(
                ask(user("Do this."), system=SYSTEM, tools=TOOLS),
                ["tools[0] 1h", "system[0] 1h", "messages[0][0]"],
                "writes",
            ),
            Step(
                ask(user("Do that."), system=SYSTEM, tools=TOOLS),
                ["tools[0] 1h", "system[0] 1h", "messages[0][0]"],
                "reads and writes",
                after=1800.0,
            ),
        ],
        policy=HOURS,
        transformer=False,  # the tools are bound further on
    ),
    "another tool list is another prefix": Scenario(
        [
            Step(ask(user("Hi"), tools=TOOLS), ["tools[0]", "messages[0][0]"], "writes"),
            Step(ask(user("Hi"), tools=[tool(2001)]), ["tools[0]", "messages[0][0]"], "writes"),
        ],
        policy=CachePolicy(mode="fixed"),
        transformer=False,  # the tools are bound further on
    ),
    "five minutes are over": Scenario(
        [
            Step(ask(QUESTION), ["messages[0][0]"], "writes"),
            Step(ask(QUESTION), ["messages[0][0]"], "writes", after=301.0),
        ]
    ),
    "an hour is not over": Scenario(
        [
            Step(ask(QUESTION), ["messages[0][0] 1h", "messages[0][1] 1h"], "writes"),
            Step(ask(QUESTION), ["messages[0][0] 1h", "messages[0][1] 1h"], "reads", after=3500.0),
        ],
        policy=CachePolicy(mode="fixed", ttl="1h"),
    ),
    "an hour is not asked of a model that has none": Scenario(
        [
            Step(ask(user("Hi"), system=SYSTEM, model=LEGACY), ["system[0]"], "writes"),
            Step(ask(user("Ho"), system=SYSTEM, model=LEGACY), ["system[0]"], "reads"),
        ],
        policy=CachePolicy(ttl="1h", sections=("system",)),
    ),
    "reasoning at the end": Scenario(
        [
            Step(
                ask(user(BOOK), assistant("So.", REASONING), user("And?")),
                ["messages[0][0]", "messages[2][0]"],
                "writes",
            ),
            Step(
                ask(
                    user(BOOK),
                    *(assistant("So.", REASONING), user("And?")),
                    *(assistant("Then.", REASONING), user("Or?")),
                ),
                ["messages[2][0]", "messages[4][0]"],
                "reads and writes",
            ),
        ]
    ),
    "reasoning last of all": Scenario(
        [Step(ask(user(BOOK), assistant("So.", REASONING)), ["messages[1][0]"], "writes")],
        policy=CachePolicy(mode="fixed"),
    ),
    "the application's points are kept, not doubled": Scenario(
        [
            Step(
                ask(user(BOOK, POINT, "Who?"), system=[*SYSTEM, POINT]),
                ["system[0]", "messages[0][0]"],
                "writes",
            ),
            Step(
                ask(user(BOOK, POINT, "Why?"), system=[*SYSTEM, POINT]),
                ["system[0]", "messages[0][0]"],
                "reads",
            ),
        ]
    ),
    "four of the application's points are all there are": Scenario(
        [
            Step(
                ask(
                    user(BOOK, POINT, text(500), POINT, text(500, "x"), POINT, "Who?"),
                    system=[*SYSTEM, POINT],
                ),
                ["system[0]", "messages[0][0]", "messages[0][1]", "messages[0][2]"],
                "writes",
            )
        ]
    ),
    "the application's hour is kept": Scenario(
        [
            Step(ask(user(BOOK, HOUR, "Who?")), ["messages[0][0] 1h"], "writes"),
            Step(ask(user(BOOK, HOUR, "Why?")), ["messages[0][0] 1h"], "reads", after=3000.0),
        ]
    ),
    "Nova: no points in tools": Scenario(
        [
            Step(
                ask(user("Hi"), system=SYSTEM, tools=TOOLS, model=NOVA),
                ["system[0]", "messages[0][0]"],
                "writes",
            ),
            Step(
                ask(user("Hi"), system=SYSTEM, tools=TOOLS, model=NOVA),
                ["system[0]", "messages[0][0]"],
                "reads",
            ),
        ]
    ),
    "Nova: no points after tool calls and results": Scenario(
        [
            Step(
                ask(*TOOL_TURN[:1], system=SYSTEM, tools=TOOLS, model=NOVA),
                ["system[0]", "messages[0][0]"],
                "writes",
            ),
            Step(
                ask(*TOOL_TURN, system=SYSTEM, tools=TOOLS, model=NOVA),
                ["system[0]", "messages[0][0]", "messages[1][0]"],
                "reads and writes",
            ),
        ]
    ),
    "Nova: the same places again, since it does not look back": Scenario(
        [
            Step(ask(QUESTION, model=NOVA), ["messages[0][0]", "messages[0][1]"], "writes"),
            Step(
                ask(*TURN_2, model=NOVA),
                ["messages[0][0]", "messages[0][1]", "messages[1][0]", "messages[2][0]"],
                "reads and writes",
            ),
            Step(
                ask(*TURN_3, model=NOVA),
                ["messages[0][0]", "messages[2][0]", "messages[3][0]", "messages[4][0]"],
                "reads and writes",
            ),
        ]
    ),
    "a model without caching": Scenario(
        [Step(ask(user(BOOK, "Who?"), system=SYSTEM, model=LLAMA), [], "nothing")]
    ),
    "a model without caching, points in the history": Scenario(
        [
            Step(
                ask(user(BOOK, POINT, "Who?"), assistant("He."), user("?"), model=LLAMA),
                [],
                "nothing",
            )
        ],
        transformer=False,  # marks of the application are its own affair there
    ),
    "the policy is off": Scenario(
        [Step(ask(QUESTION, system=SYSTEM, tools=TOOLS), [], "nothing")], policy=CachePolicy.off()
    ),
    "the policy is off, points of the application stay": Scenario(
        [Step(ask(user(BOOK, POINT, "Who?"), system=SYSTEM), ["messages[0][0]"], "writes")],
        policy=CachePolicy.off(),
    ),
    "a fixed policy": Scenario(
        [
            Step(
                ask(user(BOOK), system=SYSTEM, tools=TOOLS),
                ["tools[0] 1h", "system[0] 1h", "messages[0][0]"],
                "writes",
            ),
            Step(
                ask(user(BOOK), assistant("A."), user("B?"), system=SYSTEM, tools=TOOLS),
                ["tools[0] 1h", "system[0] 1h", "messages[0][0]", "messages[2][0]"],
                "reads and writes",
            ),
        ],
        policy=HOURS,
    ),
}
