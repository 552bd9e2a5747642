"""Distances between rows."""

from scratch.nn.distance.pairwise_distance import PairwiseDistance

__all__ = ["PairwiseDistance"]
