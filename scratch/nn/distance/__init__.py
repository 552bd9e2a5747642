"""Distance and similarity of vectors."""

from scratch.nn.distance.cosine_similarity import CosineSimilarity
from scratch.nn.distance.pairwise_distance import PairwiseDistance

__all__ = ["CosineSimilarity", "PairwiseDistance"]
