"""ModuleDict, ParameterDict and ParameterList do to their elements what torch's do."""

from collections import OrderedDict

import numpy as np
import pytest
import torch

import scratch
import torch_impl

LIBRARIES = (scratch, torch_impl)


def array(lib, *shape):
    values = np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape)
    return values if lib is scratch else torch.tensor(values)


def shapes(container):
    """What a container registers, by name."""
    return [(name, tuple(p.shape)) for name, p in container.named_parameters()]


def kind(value):
    """The class and, of a parameter, the shape, so that both libraries' values can be compared."""
    return type(value).__name__, tuple(getattr(value, "shape", ()))


def tour_of_parameter_list(lib):
    p = lib.nn.ParameterList([array(lib, 2, 3), lib.nn.Parameter(array(lib, 5))])
    yield shapes(p)
    yield p.append(array(lib, 7)) is p, p.extend(["text", array(lib, 1)]) is p, shapes(p)
    p += [array(lib, 11)]
    p[-2] = array(lib, 13)
    p[3] = 3
    p[1] = None
    yield len(p), [kind(value) for value in p], shapes(p), kind(p[-1]), kind(p[np.int64(0)])
    yield type(p[1:4]).__name__, shapes(p[::2]), list(p.state_dict())
    yield len(lib.nn.ParameterList()), len(lib.nn.ParameterList(array(lib, 1 + i) for i in range(3)))


def tour_of_parameter_dict(lib):
    p = lib.nn.ParameterDict({"right": array(lib, 2), "left": lib.nn.Parameter(array(lib, 3)), "flag": True})
    yield list(p), shapes(p), "left" in p, "other" in p, list(p.keys()), list(reversed(p))
    p.update(OrderedDict([("z", array(lib, 5)), ("y", array(lib, 7)), ("left", array(lib, 11))]))
    p.update([("b", array(lib, 13)), ["a", None]])
    yield list(p), shapes(p), [kind(v) for v in p.values()], [(k, kind(v)) for k, v in p.items()]
    yield kind(p.get("y")), p.get("other"), p.get("other", 3), kind(p.setdefault("y", 1)), kind(p.setdefault("new"))
    yield kind(p.pop("y")), p.popitem(), list(p), len(p)
    copied = p.copy()
    copied["z"] = array(lib, 17)
    yield shapes(copied), shapes(p), copied["left"] is p["left"], type(copied).__name__
    yield shapes(p | {"c": array(lib, 1)}), list({"c": 1} | p), list(p.fromkeys("cab", 2))
    p |= lib.nn.ParameterDict(OrderedDict(z=array(lib, 1), d=array(lib, 2)))
    del p["right"]
    yield shapes(p), list(p.state_dict())
    p.clear()
    yield len(p), shapes(p)


def tour_of_module_dict(lib):
    m = lib.nn.ModuleDict({"b": lib.nn.Linear(2, 3), "a": lib.nn.ReLU()})
    yield list(m), shapes(m), "a" in m, "c" in m, len(m), list(m.keys())
    m.update([("c", lib.nn.Linear(1, 2, bias=False)), ["a", lib.nn.Linear(3, 1)]])
    m.update(lib.nn.ModuleDict(OrderedDict(z=lib.nn.Tanh(), y=lib.nn.Linear(1, 1))))
    m["shared"] = m["a"]
    yield [(k, type(v).__name__) for k, v in m.items()], [type(v).__name__ for v in m.values()], list(m.state_dict())
    yield type(m.pop("z")).__name__, list(m), [name for name, _ in m.named_modules()]
    del m["b"]
    yield list(m), shapes(m)
    m.clear()
    yield len(m)


@pytest.mark.parametrize("tour", [tour_of_parameter_list, tour_of_parameter_dict, tour_of_module_dict])
def test_every_method_leaves_what_torchs_leaves(tour):
    ours, theirs = (list(tour(lib)) for lib in LIBRARIES)
    assert ours == theirs


@pytest.mark.parametrize(
    ("make", "act"),
    [
        (lambda lib: lib.nn.ParameterList(), lambda p: p[0]),
        (lambda lib: lib.nn.ParameterList([1, 2]), lambda p: p.__setitem__(-3, 1)),
        (lambda lib: lib.nn.ParameterList([1, 2]), lambda p: p["0"]),
        (lambda lib: lib.nn.ParameterList([1, 2]), lambda p: p.extend(3)),
        (lambda lib: lib.nn.ParameterList([array(lib, 2)]), lambda p: p.__setitem__(0, 1)),
        (lambda lib: lib.nn.ParameterDict(), lambda p: p.popitem()),
        (lambda lib: lib.nn.ParameterDict(), lambda p: p.__delitem__("a")),
        (lambda lib: lib.nn.ParameterDict(), lambda p: p.__setitem__(1, 2)),
        (lambda lib: lib.nn.ModuleDict(), lambda m: m["a"]),
        (lambda lib: lib.nn.ModuleDict(), lambda m: m.pop("a")),
        (lambda lib: lib.nn.ModuleDict(), lambda m: m.__setitem__("a", 2)),
    ],
)
def test_misuse_raises_torchs_class_of_error(make, act):
    with pytest.raises(Exception) as theirs:
        act(make(torch_impl))
    with pytest.raises(type(theirs.value)):
        act(make(scratch))


def test_a_parameter_holds_the_array_it_was_made_of():
    x = np.ones(3, np.float32)
    assert scratch.nn.ParameterList([x])[0].data is x
    assert scratch.nn.ParameterDict({"x": x})["x"].data is x
