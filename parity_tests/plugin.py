"""The pytest plugin: the fixture `assert_parity` for your own test suite, available once nn-parity is installed.

def test_my_block(assert_parity):
    assert_parity(MyBlock(16), torch.nn.TransformerEncoderLayer(16, 2), np.random.randn(2, 8, 16).astype("f4"))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from parity_tests.comparer.report import Report


@pytest.fixture
def assert_parity() -> Callable[..., Report]:
    """`assert_parity(left, right, inputs, ...)` takes what `parity_tests.compare` takes, and fails with its report.

    The report of two sides that agree is returned. It raises CompareError, as `compare` does, if the two cannot be
    compared.
    """

    def check(left: Any, right: Any, inputs: Any, **options: Any) -> Report:
        __tracebackhide__ = True
        from parity_tests import compare  # only now: a suite that never uses it does not load torch

        report = compare(left, right, inputs, **options)
        if not report.ok:
            pytest.fail(str(report), pytrace=False)
        return report

    return check
