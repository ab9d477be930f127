"""Models behind ARNs that do not name them: looked up once, learned from answers, remembered."""

from __future__ import annotations

import logging
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from langchain_bedrock_cache.addresses import parse_address
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.model_lookup import ACTIONS, look_up, name_of

_logger = logging.getLogger(__name__)

# A look-up that failed is not repeated before: permissions change, but seldom.
_RETRY_SECONDS = 3600.0
_MAX_ADDRESSES = 1000
_DENIED = ("AccessDenied", "Unauthorized", "NotAuthorized")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModels:
    """What is known to be behind an ARN.

    Attributes:
        models: Model IDs; of a prompt router, all that are known, the latest choice first.
        problem: Why they are not known, and what would help; empty if they are.
        asked_at: When AWS was asked, in seconds; `None` if it was not.
    """

    models: tuple[str, ...] = ()
    problem: str = ""
    asked_at: float | None = None


_NOTHING = KnownModels()


class AddressBook:
    """Find the models behind ARNs; thread-safe, bounded, and without an error for any call.

    Args:
        clock: Seconds.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: OrderedDict[str, KnownModels] = OrderedDict()
        self._lock = threading.Lock()
        self._asking = threading.Lock()

    def models(self, model_id: str, *, control: Callable[[], Any] | None = None) -> KnownModels:
        """Return what is behind an ARN, asking AWS at most once an hour.

        Args:
            model_id: As sent; of an ID or ARN that names its model, nothing is known here.
            control: Makes a boto3 `bedrock` client; `None` asks nobody.

        Returns:
            What is known.
        """
        kind = parse_address(model_id).kind
        if kind not in ACTIONS:
            return _NOTHING
        known = self._known.get(model_id, _NOTHING)
        if control is None or not self._should_ask(known):
            return known
        with self._asking:  # calls that come at the same time wait for the one answer
            known = self._known.get(model_id, _NOTHING)
            if self._should_ask(known):
                self._put(model_id, self._ask(model_id, control))
        return self._known.get(model_id, _NOTHING)

    def chose(self, router: str, model_arn: str) -> None:
        """Remember what a prompt router chose.

        Args:
            router: ARN of the router.
            model_arn: `trace.promptRouter.invokedModelId` of the answer.
        """
        model = name_of(model_arn)
        with self._lock:
            known = self._known.get(router, _NOTHING)
            models = (model, *(other for other in known.models if other != model))
            self._keep(router, replace(known, models=models))

    def _should_ask(self, known: KnownModels) -> bool:
        if known.asked_at is None:
            return True
        return bool(known.problem) and self._clock() - known.asked_at >= _RETRY_SECONDS

    def _ask(self, model_id: str, control: Callable[[], Any]) -> KnownModels:
        address, now = parse_address(model_id), self._clock()
        try:
            client = control()
            if client is None:
                return KnownModels(asked_at=now)
            found = look_up(address, client)
            nested = [self._nested(model, client) for model in found]
            models = tuple(dict.fromkeys(model for part in nested for model in part))
        except Exception as error:  # noqa: BLE001 # no request fails over what would help it
            _logger.info("Looking up %s failed: %s", model_id, type(error).__name__)
            return KnownModels(problem=_problem(ACTIONS[address.kind], error), asked_at=now)
        return KnownModels(models=models, asked_at=now)

    def _nested(self, model: str, client: Any) -> tuple[str, ...]:
        """Return the model of an application inference profile that a router chooses among."""
        address = parse_address(model)
        is_profile = address.kind == "application-inference-profile"
        return look_up(address, client) if is_profile else (model,)

    def _put(self, model_id: str, asked: KnownModels) -> None:
        with self._lock:
            learned = self._known.get(model_id, _NOTHING).models
            models = tuple(dict.fromkeys((*learned, *asked.models)))
            self._keep(model_id, replace(asked, models=models))

    def _keep(self, model_id: str, known: KnownModels) -> None:
        self._known[model_id] = known
        self._known.move_to_end(model_id)
        if len(self._known) > _MAX_ADDRESSES:
            self._known.popitem(last=False)


def invoked_model(trace: Any) -> str | None:
    """Return the ARN of the model that a prompt router chose; `None` if the trace has none.

    Args:
        trace: `trace` of a Converse response, or of the last event of a stream.
    """
    router = trace.get("promptRouter") if isinstance(trace, Mapping) else None
    invoked = router.get("invokedModelId") if isinstance(router, Mapping) else None
    return invoked if isinstance(invoked, str) and invoked else None


_books: weakref.WeakKeyDictionary[PrefixMemory, AddressBook] = weakref.WeakKeyDictionary()
_books_lock = threading.Lock()


def book_of(memory: PrefixMemory) -> AddressBook:
    """Return the book that goes with a memory, so that all clients with one memory share it."""
    with _books_lock:
        return _books.setdefault(memory, AddressBook(clock=memory.clock))


def _problem(action: str, error: Exception) -> str:
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""
    said = code or type(error).__name__
    if any(word in code for word in _DENIED):
        return f"AWS may be asked for it only with permission for {action} ({said}): allow that"
    return f"asking AWS for it failed ({action}: {said})"
