"""Six further blocks, ported to Flax NNX."""

from __future__ import annotations

from parity_tests.tests.foreign.further import Further, cases
from parity_tests.tests.foreign.further_nnx import ports


@cases(ports)
def test_a_port(port: Further) -> None:
    port.check()
