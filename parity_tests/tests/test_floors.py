"""The floors of the house: imports run downwards, in no circle, and a library imports nothing from tests."""

import ast
import sys
from functools import cache

import pytest

from parity_tests.installed import FLOORS, ROOT


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def files():
    """Module name -> file, of all four packages."""
    return {module_of(path): path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")}


def is_test(module):
    return ".tests" in module


def statements(tree, everywhere):
    """The import statements of a file: everywhere, or those that run when it is imported."""
    if everywhere:
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
        return
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


def imported(module, everywhere=True):
    """The modules that a file imports, by their full names."""
    found = set()
    for node in statements(ast.parse(files()[module].read_text(encoding="utf-8")), everywhere):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif node.level == 0 and node.module:
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in files() else node.module for name in deeper}
    return found


@pytest.mark.parametrize("floor", FLOORS)
def test_nothing_imports_upward(floor):
    above = FLOORS[FLOORS.index(floor) + 1 :]
    found = [
        f"{module} imports {other}"
        for module in files()
        if module.split(".")[0] == floor
        for other in sorted(imported(module))
        if other.split(".")[0] in above
    ]
    assert not found, f"imports run downwards, {' → '.join(reversed(FLOORS))}: {found}"


def test_scratch_imports_numpy_alone():
    allowed = {"scratch", "numpy", "__future__", *sys.stdlib_module_names}
    found = [
        f"{module} imports {other}"
        for module in files()
        if module.split(".")[0] == "scratch"
        for other in sorted(imported(module))
        if other.split(".")[0] not in allowed
    ]
    assert not found, found


def test_the_library_imports_nothing_from_tests():
    found = [
        f"{module} imports {other}"
        for module in files()
        if not is_test(module)
        for other in sorted(imported(module))
        if is_test(other)
    ]
    assert not found, found


def circles():
    """Groups of modules each of which, when it is imported, imports the others: Tarjan's algorithm."""
    graph = {module: imported(module, everywhere=False) & files().keys() for module in files()}
    index, low, stack, found = {}, {}, [], []

    def visit(module):
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in graph[module]:
            if other not in index:
                visit(other)
            if other in stack:
                low[module] = min(low[module], low[other])
        if low[module] == index[module]:
            group = {stack.pop()}
            while module not in group:
                group.add(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for module in graph:
        if module not in index:
            visit(module)
    return found


def test_no_modules_import_each_other():
    assert circles() == [], "take what both need into a third file, or pass it as an argument"
