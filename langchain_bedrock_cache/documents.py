"""RAG with documents that are paid for once: the public names of `langchain_bedrock_cache.rag`.

* Documents as content blocks: `documents_to_blocks`, `document_name`
* Chains: `create_cached_stuff_documents_chain`, `split_stable`, `conversational_prompt`
* Order that shares prefixes: `PrefixOrder`, `CacheOrderedRetriever`
* Many questions on few documents: `CachedDocuments`
"""

from langchain_bedrock_cache.rag.blocks import document_name, documents_to_blocks
from langchain_bedrock_cache.rag.cached_documents import CachedDocuments
from langchain_bedrock_cache.rag.chains import create_cached_stuff_documents_chain
from langchain_bedrock_cache.rag.loaded import UnknownDocumentError
from langchain_bedrock_cache.rag.ordering import CacheOrderedRetriever, OrderCounts, PrefixOrder
from langchain_bedrock_cache.rag.prompts import (
    DocumentsPromptTemplate,
    conversational_prompt,
    split_stable,
)

__all__ = [
    "CacheOrderedRetriever",
    "CachedDocuments",
    "DocumentsPromptTemplate",
    "OrderCounts",
    "PrefixOrder",
    "UnknownDocumentError",
    "conversational_prompt",
    "create_cached_stuff_documents_chain",
    "document_name",
    "documents_to_blocks",
    "split_stable",
]
