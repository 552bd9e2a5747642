"""Where two implementations part, when, and why: the comparer."""

from parity_tests.comparer.comparison import compare
from parity_tests.comparer.report import Cause, CompareError, Measurement, Report

__all__ = ["Cause", "CompareError", "Measurement", "Report", "compare"]
