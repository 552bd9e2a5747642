"""Rules that rewrite a network's source and keep its meaning, as ports and clean-ups do.

A rule sees no types: what it makes of a list or of a number may mean something else, or nothing. Before it is asked
whether compare accuses a rewrite, torch says in float64 that it is one.
"""

from parity_tests.tests.mutants.rewrites import arithmetic, code, functions, layers, shapes

RULES = {**arithmetic.RULES, **shapes.RULES, **functions.RULES, **layers.RULES, **code.RULES}
