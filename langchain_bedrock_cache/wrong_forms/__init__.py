"""Cache points written in ways that boto3 or Bedrock refuses, or that cache nothing; and the fix.

* `found`: `WrongForm`, and what is said of each form
* `bodies`: which API a body is for, and the lists of blocks in it
* `marks`: the cache points of a body, and what is wrong with how they are written
* `places`: what is wrong with where they stand
* `mending`: the same body with its cache points written as they should be
"""

from langchain_bedrock_cache.wrong_forms.bodies import Api, api_of
from langchain_bedrock_cache.wrong_forms.found import Form, Outcome, WrongForm
from langchain_bedrock_cache.wrong_forms.mending import mended
from langchain_bedrock_cache.wrong_forms.places import find_wrong_forms

__all__ = ["Api", "Form", "Outcome", "WrongForm", "api_of", "find_wrong_forms", "mended"]
