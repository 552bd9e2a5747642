"""Ports to functions of autograd's NumPy."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from parity_tests.tests.foreign.functions import function_ports
from parity_tests.tests.foreign.matrix import Framework, Port


def ports() -> Iterator[Port]:
    import autograd.numpy as anp
    from autograd.scipy.special import erf

    def wrapped(function: Any) -> Any:
        def port(parameters: Any, x: Any) -> Any:
            return function(parameters, anp.array(x))

        return port

    yield from function_ports(anp, erf, wrapped, lambda array: array, np.float32)


FRAMEWORK = Framework("autograd", ("autograd",), ports)
