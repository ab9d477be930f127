"""`batch` and its kin: requests that share a prefix write it once.

A prefix can be read from the prompt cache only once the response that wrote it has begun, so many
calls at once would all pay the write. Here one call of each group goes first; the others wait for
it (`single_flight`), then read. All else is LangChain's own `batch`: configs and callbacks per
input, `max_concurrency`, `return_exceptions`, results in the order of the inputs.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables.config import get_config_list, run_in_executor
from typing_extensions import override

from langchain_bedrock_cache.batch_context import RequestRead, batch_of, reading_only
from langchain_bedrock_cache.checks import check_concurrency, check_list
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.shared_prefixes import SharedPrefixes, leaders_first

_logger = logging.getLogger(__name__)


class BatchedChat(BaseChatModel):
    """A chat model whose batches send one request of each group first; see the module."""

    @override
    def batch(
        self,
        inputs: list[Any],
        config: Any = None,
        *,
        return_exceptions: Any = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Run many inputs at once; what several of them share is written to the cache once.

        Args:
            inputs: As for `invoke`.
            config: One for all, or one per input. `max_concurrency` limits calls at once.
            return_exceptions: Whether to return exceptions in place of answers.
            kwargs: As for `invoke`.

        Returns:
            The answers, in the order of the inputs.
        """
        check_concurrency(config)
        shared, order = self._group(inputs, kwargs)
        with batch_of(shared):
            answers = super().batch(
                [inputs[n] for n in order],
                _in_order(config, order),
                return_exceptions=return_exceptions,
                **kwargs,
            )
        return _restored(answers, order)

    @override
    async def abatch(
        self,
        inputs: list[Any],
        config: Any = None,
        *,
        return_exceptions: Any = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Do what `batch` does, without blocking the event loop; arguments as there."""
        check_concurrency(config)
        shared, order = await run_in_executor(None, self._group, inputs, kwargs)
        with batch_of(shared):
            answers = await super().abatch(
                [inputs[n] for n in order],
                _in_order(config, order),
                return_exceptions=return_exceptions,
                **kwargs,
            )
        return _restored(answers, order)

    @override
    def batch_as_completed(
        self, inputs: Sequence[Any], config: Any = None, **kwargs: Any
    ) -> Iterator[Any]:
        """Run many inputs at once, and yield index and answer of each as it comes.

        Args:
            inputs: As for `invoke`.
            config: As for `batch`.
            kwargs: As for `batch`.
        """
        check_concurrency(config)
        shared, order = self._group(inputs, kwargs)
        answers = super().batch_as_completed(
            [inputs[n] for n in order], _in_order(config, order), **kwargs
        )
        # All calls are started, and inherit the variable, before the first answer comes.
        with batch_of(shared):
            first = next(answers, None)
        if first is not None:
            yield order[first[0]], first[1]
        for index, answer in answers:
            yield order[index], answer

    @override
    async def abatch_as_completed(
        self, inputs: Sequence[Any], config: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Do what `batch_as_completed` does, without blocking the event loop."""
        check_concurrency(config)
        shared, order = await run_in_executor(None, self._group, inputs, kwargs)
        answers = super().abatch_as_completed(
            [inputs[n] for n in order], _in_order(config, order), **kwargs
        )
        with batch_of(shared):
            first = await anext(answers, None)
        if first is not None:
            yield order[first[0]], first[1]
        async for index, answer in answers:
            yield order[index], answer

    def _group(
        self, inputs: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[SharedPrefixes | None, list[int]]:
        """Return what the inputs share, and the order in which to send them."""
        check_list("inputs", inputs, what="a list of inputs")
        order = list(range(len(inputs)))
        if len(inputs) < 2:  # noqa: PLR2004 # alone, an input shares with nobody
            return None, order
        try:
            prefixes = [self._read(one, kwargs) for one in inputs]
            shared = SharedPrefixes.of([p for p in prefixes if p is not None])
            return shared, leaders_first(prefixes, shared)
        except Exception:
            _logger.exception("Inputs could not be grouped; the batch is sent as it is.")
            return None, order

    def _read(self, one: Any, kwargs: dict[str, Any]) -> Prefix | None:
        """Return the prefix of the request that an input becomes; `None` if it becomes none."""
        token = reading_only.set(True)
        try:
            self._generate(self._convert_input(one).to_messages(), **kwargs)
        except RequestRead as read:
            return read.prefix
        except Exception:  # noqa: BLE001 # the call itself will say what is wrong
            return None
        finally:
            reading_only.reset(token)
        return None


def _in_order(config: Any, order: Sequence[int]) -> Any:
    """Return configs in another order; one config for all stays as it is."""
    if not isinstance(config, Sequence):
        return config
    configs = get_config_list(config, len(order))  # checks the length as LangChain does
    return [configs[n] for n in order]


def _restored(answers: Sequence[Any], order: Sequence[int]) -> list[Any]:
    restored: list[Any] = [None] * len(order)
    for index, answer in zip(order, answers, strict=True):
        restored[index] = answer
    return restored
