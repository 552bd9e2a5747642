"""Pairs of models as nobody would write them, drawn from a seed: other trees, names, outputs, inputs, maps, losses."""
