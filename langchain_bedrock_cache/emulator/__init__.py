"""A local Amazon Bedrock runtime with a prompt cache, for tests, demos and other languages."""
