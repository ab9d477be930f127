"""A salt that keeps the prompts of one tenant from ever being found in the cache by another's.

Bedrock's prompt cache is one per AWS account, Region and model. Whoever can send prompts there can
see, from usage or from the time to the first token, whether a prefix was sent by somebody else.
The salt is a short text block in front of the system prompt, so that no prefix that ends in system
or messages is ever shared. Tools come before system, so nothing may end there: the policy for a
tenant's calls places no points in tools, whose tokens are cached with the system prompt instead.

It is the one thing in this package that changes a request. Its price is some 20 tokens a call, read
from the cache like the rest, and one entry of every shared prompt per tenant.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

TENANT_KEY = "LANGCHAIN_BEDROCK_CACHE_TENANT_KEY"
"""Environment variable: the secret for salts, where the policy brings none."""

_DIGEST_BYTES = 12
_SALT = re.compile(rf"\[[0-9a-f]{{{2 * _DIGEST_BYTES}}}\]")


def tenant_salt(tenant: str, *, key: str = "") -> str:
    """Return the salt of a tenant: a keyed hash that neither shows nor can be turned into its name.

    Args:
        tenant: Any stable ID.
        key: A secret, the same in all processes; default: the environment's
            `LANGCHAIN_BEDROCK_CACHE_TENANT_KEY`. Without one, salts can be guessed from names.
    """
    secret = blake2b((key or os.environ.get(TENANT_KEY, "")).encode()).digest()
    name = tenant.encode("utf-8", "surrogatepass")
    return blake2b(name, digest_size=_DIGEST_BYTES, key=secret).hexdigest()


def salted(request: Mapping[str, Any], salt: str) -> dict[str, Any]:
    """Return the request with the salt in front of its system prompt; all else is shared.

    Args:
        request: Converse keyword arguments; not modified.
        salt: Of the tenant.
    """
    block = {"text": f"[{salt}]"}
    return {**request, "system": [block, *(request.get("system") or ())]}


def salt_of(request: Mapping[str, Any]) -> str:
    """Return the salt that a request begins with, in its brackets; empty if there is none.

    Args:
        request: Converse keyword arguments.
    """
    system: Sequence[Any] = request.get("system") or ({},)
    text = system[0].get("text")
    return text if isinstance(text, str) and _SALT.fullmatch(text) else ""
