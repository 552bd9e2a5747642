"""Layers that look rows up by index."""

from scratch.nn.sparse.embedding import Embedding
from scratch.nn.sparse.embedding_bag import EmbeddingBag

__all__ = ["Embedding", "EmbeddingBag"]
