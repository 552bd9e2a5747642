"""ModuleList: layers that a network calls as it likes."""

from collections.abc import Iterable, Iterator

from scratch.nn.module import Module


class ModuleList(Module):
    """A list whose elements are found by parameters() and state_dict().

    It has no forward: the module that holds it calls its elements, and calls their backwards in the reverse order.

    Options   modules, an iterable of modules.
    Torch     torch.nn.ModuleList; elements are named "0", "1", ...
    Raises    TypeError for anything that is not a Module.
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        self.extend(modules or ())

    def append(self, module: Module) -> "ModuleList":
        if not isinstance(module, Module):
            raise TypeError(f"ModuleList: elements must be scratch Modules, got {type(module).__name__}.")
        setattr(self, str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> "ModuleList":
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> None:
        elements = list(self)
        elements.insert(index, module)
        self._replace(elements)

    def __setitem__(self, index: int, module: Module) -> None:
        elements = list(self)
        elements[index] = module
        self._replace(elements)

    def __delitem__(self, index: int | slice) -> None:
        elements = list(self)
        del elements[index]
        self._replace(elements)

    def _replace(self, elements: list[Module]) -> None:
        for index in range(len(self)):
            delattr(self, str(index))
        self.extend(elements)

    def __len__(self) -> int:
        return sum(name.isdecimal() for name in vars(self))

    def __iter__(self) -> Iterator[Module]:
        return (getattr(self, str(index)) for index in range(len(self)))

    def __getitem__(self, index: int | slice) -> "Module | ModuleList":
        elements = list(self)[index]
        return ModuleList(elements) if isinstance(elements, list) else elements
