"""What is wrong with the cache points of a body: how they are written, and where they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_bedrock_cache.profiles import ModelProfile
from langchain_bedrock_cache.wrong_forms.bodies import Api, api_of, block_lists, holders
from langchain_bedrock_cache.wrong_forms.found import Form, WrongForm, wrong_form
from langchain_bedrock_cache.wrong_forms.marks import Mark, is_mark_name, read_list

_MAX_POINTS = 4  # of every model that takes any


def find_wrong_forms(
    body: Mapping[str, Any], profile: ModelProfile | None = None, *, api: Api | None = None
) -> list[WrongForm]:
    """Return the cache points of a request that are refused, or cache nothing, with the fix.

    Nothing is said of cache points that are well placed and only do not pay, nor of models that
    take none at all.

    Args:
        body: A Converse body or boto3's arguments of `converse`, or what InvokeModel takes for
            Claude or Nova; not modified.
        profile: The model's rules; `None` checks what holds for every model.
        api: What the body is for; `None` finds out.

    Returns:
        In the order of the body: first what is beside the lists of blocks, then list by list,
        then what concerns them together.
    """
    api = api or api_of(body)
    found = [
        wrong_form("outside_content", f"{place}.{name}".lstrip("."), api=api, member=name)
        for place, holder in holders(body)
        for name, value in holder.items()
        if is_mark_name(name) and value is not None
    ]
    marks: list[Mark] = []
    for held in block_lists(body, api):
        here, badly_written = read_list(held, api)
        marks += here
        found += badly_written
        found += [wrong for mark in here for wrong in _standing(mark, profile, api)]
    return [*found, *_together(marks, profile, api)]


def _standing(mark: Mark, profile: ModelProfile | None, api: Api) -> Iterator[WrongForm]:
    """Yield what is wrong with the place of a cache point."""
    if mark.before is None:
        yield wrong_form("first_in_list", mark.place, api=api)
    elif mark.follows_mark:
        yield wrong_form("two_in_a_row", mark.place, api=api)
    elif mark.before == "empty":
        yield wrong_form("after_empty_text", mark.place, api=api)
    elif profile is not None and profile.supports_caching:
        form = _misplaced(mark, profile, api)
        if form is not None:
            yield wrong_form(
                form,
                mark.place,
                api=api,
                before=mark.before,
                section=mark.section,
                model=profile.id,
            )
    if profile is not None and profile.supports_caching:
        if mark.ttl not in profile.ttls:
            value = repr(mark.ttl)
            yield wrong_form("ttl_not_offered", mark.place, api=api, model=profile.id, value=value)
        elif mark.states_ttl and profile.ttls == ("5m",) and profile.provider != "anthropic":
            yield wrong_form("ttl_spelled_out", mark.place, api=api, model=profile.id)


def _misplaced(mark: Mark, profile: ModelProfile, api: Api) -> Form | None:
    """Return what the model has against a cache point after its block."""
    if mark.section not in profile.sections:
        return "closed_section"
    if profile.points_after == "text" and mark.before != "text":
        return "not_after_text"
    if mark.before not in profile.never_after:
        return None
    if mark.before == "reasoning":
        return "after_reasoning"
    return None if api == "claude" else "after_document"


def _together(marks: Sequence[Mark], profile: ModelProfile | None, api: Api) -> Iterator[WrongForm]:
    """Yield what is wrong with the cache points of a request taken together."""
    limit = profile.max_cache_points if profile and profile.supports_caching else _MAX_POINTS
    for number, mark in enumerate(marks, 1):
        if number > limit:
            yield wrong_form("too_many", mark.place, api=api, number=number, limit=limit)
    short_seen = False
    for mark in marks:
        if mark.ttl == "1h" and short_seen:
            yield wrong_form("ttl_order", mark.place, api=api)
        short_seen = short_seen or mark.ttl == "5m"
