"""Where two implementations part, when, and why: the comparer. `from parity_tests import compare` is its front door."""
