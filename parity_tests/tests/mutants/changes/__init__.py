"""Rules that change the meaning of a network's source, as slips of the hand and of memory do."""

from parity_tests.tests.mutants.changes import calls, flow, layers, values

RULES = {**values.RULES, **calls.RULES, **layers.RULES, **flow.RULES}
