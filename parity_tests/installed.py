"""What an installation lacks, in one line: the extra that has a missing package, a folder that hides one of ours.

`pip install nn-parity` brings `scratch` and NumPy; `nn-parity[torch]` the comparisons; `nn-parity[all]` every command.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

FLOORS = ("scratch", "torch_impl", "parity_tests", "experiments")  # from the ground up
ROOT = Path(__file__).parents[1]
# By the names that are imported.
EXTRAS = {
    "torch": ("torch", "jinja2", "markupsafe", "rich", "safetensors", "tqdm", "typer"),
    "all": ("lightning", "filelock", "sklearn", "scipy", "matplotlib", "PIL", "platformdirs", "certifi", "pygments",
            "yaml", "threadpoolctl"),
    "dev": ("pytest", "xdist", "hypothesis"),
}  # fmt: skip


class HiddenError(ImportError):
    """Python finds a package of somebody else where one of nn-parity is imported."""


def lacking(module: str | None) -> str:
    """The line for a module that is not installed; empty if it is in no extra."""
    package = (module or "").partition(".")[0]
    extra = next((name for name, packages in EXTRAS.items() if package in packages), "")
    more = ", or 'nn-parity[all]' for every command" if extra == "torch" else ""
    return extra and f"this needs {package}, which is not installed: pip install 'nn-parity[{extra}]'{more}."


def refuse_hidden() -> None:
    """Look where Python finds the four packages.

    Raises    HiddenError if one of them is not beside this file, such as a folder scratch/ of your own.
    """
    for name in FLOORS:
        spec = find_spec(name)
        places = [Path(place).resolve() for place in (spec and spec.submodule_search_locations) or ()]
        if ROOT.resolve() / name not in places:
            found = places[0] if places else (spec and spec.origin) or "nowhere"
            raise HiddenError(
                f"Python finds {found} where nn-parity imports its own package {name}. Rename yours, or run from "
                f"another folder."
            )
