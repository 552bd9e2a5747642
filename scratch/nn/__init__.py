"""torch.nn in NumPy: the table of contents."""

import importlib, pkgutil, sys
from scratch.nn.module import Module, Parameter  # isort: skip
from scratch.nn import init
for _m in sorted(m.name for m in pkgutil.iter_modules(__path__) if m.ispkg):
    try:
        _mod = importlib.import_module(f"scratch.nn.{_m}")
        globals().update({n: getattr(_mod, n) for n in getattr(_mod, "__all__", [])})
    except Exception as e:
        print("scratch.nn:", _m, type(e).__name__, e, file=sys.stderr)
