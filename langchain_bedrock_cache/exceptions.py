"""Errors and warnings of the package.

* BedrockCacheError
  * CachePolicyError (also ValueError): a setting that is unknown, out of range or contradictory
  * CachePlanError (also ValueError): cache points the application placed that cannot be sent
    * TooManyCachePointsError
    * CacheTTLOrderError
    * CachePointPositionError
    * UnsupportedModelError
  * PriceNotFoundError (also LookupError): no price is known for a model

Warning: CacheSkippedWarning (a UserWarning): the call goes on, without (some) cache points.

AWS errors (`botocore.exceptions.ClientError`) are never wrapped or re-labelled.
"""


class BedrockCacheError(Exception):
    """Base class of every error this package raises."""


class CachePolicyError(BedrockCacheError, ValueError):
    """A policy or another setting has a value that is unknown, out of range or contradictory."""


class CachePlanError(BedrockCacheError, ValueError):
    """The cache points placed by the application cannot be sent as they are."""


class TooManyCachePointsError(CachePlanError):
    """The application placed more cache points than the model allows per request."""


class CacheTTLOrderError(CachePlanError):
    """A cache point with a longer TTL comes after one with a shorter TTL."""


class CachePointPositionError(CachePlanError):
    """A cache point stands where Bedrock refuses it (first in its list, say)."""


class UnsupportedModelError(CachePlanError):
    """The model has no explicit prompt caching, and the policy says to raise."""


class PriceNotFoundError(BedrockCacheError, LookupError):
    """No price is known for the model."""


class CacheSkippedWarning(UserWarning):
    """Prompt caching was skipped for a call; the call itself went on."""
