"""Neural networks from scratch in NumPy, with torch's names, torch's numbers and torch's random streams."""

from scratch import data, nn, optim, random
from scratch.grad_mode import is_grad_enabled, no_grad
from scratch.random import *  # noqa: F403
