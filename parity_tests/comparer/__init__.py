"""Where two implementations diverge, when, and why: the comparer. Use it as `from parity_tests import compare`."""
