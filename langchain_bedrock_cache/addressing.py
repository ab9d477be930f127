"""Which model a call is planned for where its `modelId` does not say, and which one answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from langchain_bedrock_cache.address_book import AddressBook, invoked_model
from langchain_bedrock_cache.addresses import parse_address
from langchain_bedrock_cache.calls import CallOptions, PreparedCall
from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.model_lookup import name_of
from langchain_bedrock_cache.profiles import ModelProfile, find_profile, strictest_profile


class Addressing:
    """Completes the options of calls, and corrects the memory when a router chose otherwise.

    A prompt router decides after the request was sent. So a request is planned within the limits
    of all its models, for the prompt cache of the one in which most of it is warm; the answer says
    which one it was, and the memory takes it to be there.

    Args:
        book: Models behind ARNs.
        memory: What is warm where.
    """

    def __init__(self, book: AddressBook, memory: PrefixMemory) -> None:
        self._book = book
        self._memory = memory

    def completed(self, request: Mapping[str, Any], options: CallOptions) -> CallOptions:
        """Return the options with the model behind the request's address, as far as it is known.

        Args:
            request: Converse keyword arguments as they are sent; not modified.
            options: Of the call. Nobody is asked where they name the model.
        """
        model_id = str(request.get("modelId") or "")
        is_router = parse_address(model_id).kind == "prompt-router"
        if (options.base_model and not is_router) or find_profile(model_id) is not None:
            return options
        control = None if options.base_model else options.control
        known = self._book.models(model_id, control=control)
        named = (options.base_model,) if options.base_model else ()
        models = tuple(dict.fromkeys((*known.models, *named)))
        if not models:
            return replace(options, problem=known.problem)
        if len(models) == 1:
            return replace(options, base_model=models[0])
        return self._for_router(request, options, models)

    def answered(self, call: PreparedCall, trace: Any) -> PreparedCall:
        """Return the call as it turned out to be, after a router chose; the memory then knows.

        Args:
            call: As it was planned.
            trace: `trace` of the answer.
        """
        invoked = invoked_model(trace)
        if invoked is None:
            return replace(call, awaits_router=False) if call.awaits_router else call
        self._book.chose(str(call.request.get("modelId") or ""), invoked)
        call = replace(call, awaits_router=False, model=name_of(invoked))
        chosen = find_profile(invoked)
        if call.commitment is None or call.profile is None or chosen is None:
            return replace(call, profile=call.profile or chosen)
        if chosen.id == call.profile.id:
            return call
        profile = replace(call.profile, id=chosen.id)
        prefix = read_converse(call.original, profile, locality=call.locality)
        self._memory.cancel(call.commitment)
        sighting = self._memory.observe(prefix, profile)
        commitment = self._memory.commit(
            prefix,
            profile,
            sighting,
            points=[(point.position, point.ttl) for point in call.plan.points],
            stakes={},
            saving=0.0,
        )
        return replace(call, commitment=commitment, profile=profile)

    def _for_router(
        self, request: Mapping[str, Any], options: CallOptions, models: tuple[str, ...]
    ) -> CallOptions:
        profiles = [find_profile(model) for model in models]
        unknown = [m for m, profile in zip(models, profiles, strict=True) if profile is None]
        if unknown:
            problem = f"it may choose {unknown[0]}, of which no prompt-caching facts are known"
            return replace(options, base_model=unknown[0], problem=problem)
        candidates: dict[str, tuple[str, ModelProfile]] = {}
        for model, named in zip(models, profiles, strict=True):
            limits = strictest_profile(profiles, named=named) if named else None
            if named is None or limits is None or not limits.supports_caching:
                return replace(options, base_model=model, limits=limits)
            candidates.setdefault(named.id, (model, limits))
        likely = max(  # of equals the first one, which is the latest choice
            candidates.values(),
            key=lambda candidate: self._warm_chars(request, candidate[1], options),
        )
        return replace(options, base_model=likely[0], limits=likely[1])

    def _warm_chars(
        self, request: Mapping[str, Any], profile: ModelProfile, options: CallOptions
    ) -> int:
        prefix = read_converse(request, profile, locality=options.locality)
        return self._memory.warm_chars(prefix)
