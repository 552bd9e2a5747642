"""torch.nn."""

from torch.nn import *  # noqa: F403
from torch.nn import init, utils  # noqa: F401
