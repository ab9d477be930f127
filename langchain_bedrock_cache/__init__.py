"""Prompt caching for LangChain on Amazon Bedrock."""
