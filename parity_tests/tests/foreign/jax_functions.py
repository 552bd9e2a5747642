"""Ports to functions of JAX under jit: nothing within them is seen."""

from collections.abc import Iterator

from parity_tests.tests.foreign.functions import function_ports
from parity_tests.tests.foreign.matrix import Framework, Port


def ports() -> Iterator[Port]:
    import jax
    import jax.numpy as jnp

    yield from function_ports(jnp, jax.scipy.special.erf, jax.jit, jnp.asarray)


FRAMEWORK = Framework("JAX under jit", ("jax",), ports)
