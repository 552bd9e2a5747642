"""What the text of a refusal must say, whatever the component: who refuses, and in words of its own."""

from __future__ import annotations

import re
from functools import cache

import scratch

# Parts of messages that NumPy or Python wrote for their own purposes: they name no layer and suggest no remedy.
FOREIGN = re.compile(
    r"could not be broadcast|operands could not|matmul:|cannot reshape|axis \S+ is out of bounds|out of bounds for axis"
    r"|setting an array element|shapes .* not aligned|all the input array|not supported for the input types"
    r"|Cannot cast ufunc|einstein sum|einsum|object of type|object is not|bad operand type"
    r"|unsupported operand|not supported between|has no attribute|invalid literal|could not convert|zero-size array"
    r"|division by zero|too many indices|read-only|index \S+ is out of|list index|tuple index|sequence item"
    r"|cannot convert float|must be real number|dimensions? must match|non-broadcastable|negative dimensions"
    r"|array is too big|Maximum allowed|unpack|only integer|truth value|inhomogeneous|cannot be interpreted"
)


@cache
def names() -> frozenset[str]:
    """Every public class and function of scratch: a container is refused in the name of the layer that refuses."""
    packages = [scratch, scratch.data, scratch.nn, scratch.nn.init, scratch.nn.utils, scratch.nn.utils.rnn]
    packages += [scratch.optim, scratch.optim.lr_scheduler, scratch.optim.swa_utils, scratch.random]
    return frozenset(name for package in packages for name, value in vars(package).items() if callable(value))


def fault(error: Exception) -> str:
    """What is wrong with the text of a refusal, or an empty string."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    beginning = re.match(r"(?:[a-z_]+\.)*(\w+)(?:\.\w+)*(?=\(|:| |$)", text)
    if beginning is None or beginning.group(1) not in names():
        return f"the text does not begin with the call: {text!r}"
    if found := FOREIGN.search(text):
        return f"the text is not scratch's own ({found.group()!r}): {text!r}"
    return ""
