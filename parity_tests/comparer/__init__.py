"""Where two implementations part, when, and why: the comparer."""

from parity_tests.comparer.comparison import CompareError, compare
from parity_tests.comparer.report import Cause, Measurement, Report

__all__ = ["Cause", "CompareError", "Measurement", "Report", "compare"]
