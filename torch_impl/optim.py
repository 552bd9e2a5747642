"""torch.optim."""

from torch.optim import *  # noqa: F403
