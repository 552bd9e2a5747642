"""Sequential: layers one after another."""

from collections.abc import Iterator, Mapping
from typing import Any

from scratch.nn.module import Module


class Sequential(Module):
    """The composition of its layers: each output is the next layer's input.

        y = f_n(... f_2(f_1(x)))

    Backward  the chain rule, read from the right: dx = f_1'(f_2'(... f_n'(dy))), so the layers' backwards in reverse.
              A layer that returns None ends it: nothing before it gets a gradient.
    Saves     nothing of its own; each layer keeps what it needs. A layer object may therefore appear in it only once.
    Torch     torch.nn.Sequential; layers are named "0", "1", ..., or by the keys of a dict.
    Raises    TypeError for anything that is not a Module.
    """

    def __init__(self, *layers: Any) -> None:
        named = layers[0].items() if len(layers) == 1 and isinstance(layers[0], Mapping) else enumerate(layers)
        for name, layer in named:
            self.add_module(str(name), layer)

    def add_module(self, name: str, layer: Module) -> None:
        if not isinstance(layer, Module):
            raise TypeError(
                f"{type(self).__name__}: layer {name!r} must be a scratch Module, got {type(layer).__name__}. "
                "Did you pass the class without calling it, or a list without the star?"
            )
        if name in vars(self):
            raise KeyError(f"{type(self).__name__}: there is already an attribute {name!r}.")
        setattr(self, name, layer)

    def append(self, layer: Module) -> "Sequential":
        self.add_module(str(len(self)), layer)
        return self

    def forward(self, x: Any) -> Any:
        for layer in self._layers():
            x = layer(x)
        return x

    def backward(self, dy: Any) -> Any:
        for layer in reversed(self._layers()):
            if dy is None:
                layer.forget()
            else:
                dy = layer.backward(dy)
        return dy

    def requires_input_grad_(self, requires_input_grad: bool = True) -> Module:
        """Set whether the gradient of the input is computed.

        If it is not, neither is the gradient of any layer's input up to the first layer that has parameters.
        """
        for layer in self:
            layer.requires_input_grad_(requires_input_grad)
            if any(True for _ in layer.parameters()):
                break
        return super().requires_input_grad_(requires_input_grad)

    def _layers(self) -> list[Module]:
        return [value for value in vars(self).values() if isinstance(value, Module)]

    def _named(self) -> list[tuple[str, Module]]:
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def __len__(self) -> int:
        return len(self._layers())

    def __iter__(self) -> Iterator[Module]:
        return iter(self._layers())

    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return Sequential(dict(self._named()[index]))
        layers = self._layers()
        try:
            return layers[index]
        except IndexError:
            raise IndexError(f"Sequential: no layer {index} among {len(layers)}; layers count from 0.") from None
