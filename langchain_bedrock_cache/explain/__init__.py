"""Why a request would read nothing, from files alone: request bodies, or invocation logs.

* `explanation`: `Explanation`, and its place to the character
* `reading`: bodies in whatever form they were kept
* `estimates`: how many tokens so many characters may be
* `places`: Regions and APIs
* `bodies`: `explain`, for one or two bodies
* `logs`: `explain_log`, for invocation logs
"""

from langchain_bedrock_cache.explain.bodies import explain
from langchain_bedrock_cache.explain.explanation import Explanation
from langchain_bedrock_cache.explain.logs import explain_log, is_record
from langchain_bedrock_cache.explain.reading import UnreadableRequestError

__all__ = ["Explanation", "UnreadableRequestError", "explain", "explain_log", "is_record"]
