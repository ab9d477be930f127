"""Commands of `python -m langchain_bedrock_cache` that need no package of their own."""
