"""Ports to functions of MyGrad, which has no error function, and where a Python number makes float64 of float32."""

from collections.abc import Iterator

import numpy as np

from parity_tests.tests.foreign.functions import function_ports
from parity_tests.tests.foreign.matrix import Framework, Port


def ports() -> Iterator[Port]:
    import mygrad

    yield from function_ports(mygrad, None, lambda function: function, mygrad.tensor, np.float32)


FRAMEWORK = Framework("MyGrad", ("mygrad",), ports)
