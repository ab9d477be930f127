"""Retrieval-augmented generation with documents that are paid for once.

General layout, each module importing only from those above it:

* `blocks.py`: documents as content blocks, under names that never change
* `pieces.py`: a text cut where its stable part ends; pure
* `prompts.py`: prompt templates that take documents and cut themselves
* `chains.py`: the drop-in for LangChain's stuff-documents chain
* `sequences.py`: which documents were sent in which order, and which order shares most; pure
* `ordering.py`: that order as a document transformer and around any retriever
* `warming.py`: whether warming a document pays, and why it did nothing; pure
* `recovery.py`: calls that are answered also where Bedrock refuses their cache points
* `loaded.py`, `cached_documents.py`: many questions on few documents

The public names are in `langchain_bedrock_cache.documents`.
"""
