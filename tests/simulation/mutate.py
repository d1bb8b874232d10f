"""Mutations of functions of the code, installed in this process and taken back afterwards.

A mutation names its function and a change of it: an operation on the calls in its syntax tree, or
a replacement. So neither a renamed variable nor another layout breaks a mutation. If the function
or the call that it changes is gone, `StaleMutationError` says so.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import importlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

Change = Callable[[FunctionType], contextlib.AbstractContextManager[None]]
"""Changes a function as long as its context lasts."""


class StaleMutationError(Exception):
    """A mutation does not fit the code any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One part of the protocol, and how to leave it out."""

    title: str
    changes: tuple[tuple[str, Change], ...]
    """The functions, as `module:qualified.name`, and what changes in each."""
    harmless: str = ""
    """Why no promise is broken without it, where that is so."""
    look_in: str = ""
    """Part of the title of the case or weather that is likely to notice."""

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Run the code with this mutation.

        Raises:
            StaleMutationError: It does not fit the code.
        """
        with contextlib.ExitStack() as stack:
            for target, change in self.changes:
                try:
                    stack.enter_context(change(find_function(target)))
                except StaleMutationError as error:
                    raise StaleMutationError(f"{self.title}: {target}: {error}") from None
            yield


def find_function(target: str) -> FunctionType:
    """Return the function with this name in a module of `aigc.jobs`, or of `aigc` by its name."""
    module_name, _, qualified = target.partition(":")
    is_full = module_name.startswith("aigc.")
    module = importlib.import_module(module_name if is_full else f"aigc.jobs.{module_name}")
    found: Any = module
    for name in qualified.split("."):
        found = inspect.getattr_static(found, name, None)
    found = getattr(found, "fget", None) or getattr(found, "__func__", None) or found
    if not isinstance(found, FunctionType):
        raise StaleMutationError("there is no such function")
    return found


# Operations on the calls of a function


def omit(call: str) -> Change:
    """Leave out the statements that make this call."""

    def change(tree: ast.FunctionDef) -> int:
        return _in_each_block(tree, lambda block: _without(block, call))

    return _on_tree(f"no statement calls `{call}`", change)


def postpone(call: str, *, behind: str) -> Change:
    """Move the statement that makes one call behind the statement that makes another."""

    def change(tree: ast.FunctionDef) -> int:
        return _in_each_block(tree, lambda block: _reordered(block, call, behind))

    return _on_tree(f"no statement calls `{call}` before another calls `{behind}`", change)


def assume(call: str, value: bool | int | None) -> Change:
    """Replace this call by a value."""
    text = f"int({value})" if type(value) is int else str(value)
    return _on_calls(call, lambda _: ast.parse(text, mode="eval").body)


def trust_argument(call: str) -> Change:
    """Replace this call by its first argument."""
    return _on_calls(call, lambda found: found.args[0])


def drop_call(call: str) -> Change:
    """Replace this call of a method by the object that has the method."""
    return _on_calls(call, lambda found: found.func.value)  # type: ignore[attr-defined]


def call_instead(call: str, other: str) -> Change:
    """Call another function or method, with the same arguments."""

    def renamed(found: ast.Call) -> ast.expr:
        if isinstance(found.func, ast.Attribute):
            found.func.attr = other
        else:
            found.func = ast.Name(other, ast.Load())
        return found

    return _on_calls(call, renamed)


def replace(make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Change:
    """Replace the function by one that is made from it."""

    @contextlib.contextmanager
    def change(function: FunctionType) -> Iterator[None]:
        original = FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__
        )
        original.__kwdefaults__ = function.__kwdefaults__
        replacement = make(original)
        with _code_replaced(function, replacement):
            yield

    return change


def _on_calls(call: str, change: Callable[[ast.Call], ast.expr]) -> Change:
    class Visitor(ast.NodeTransformer):
        changed = 0

        def visit_Call(self, node: ast.Call) -> ast.expr:
            self.generic_visit(node)
            if _name_of(node) != call:
                return node
            self.changed += 1
            return change(node)

    def on_tree(tree: ast.FunctionDef) -> int:
        visitor = Visitor()
        visitor.visit(tree)
        return visitor.changed

    return _on_tree(f"it does not call `{call}`", on_tree)


def _on_tree(reason: str, change: Callable[[ast.FunctionDef], int]) -> Change:
    @contextlib.contextmanager
    def changed(function: FunctionType) -> Iterator[None]:
        module = ast.parse(textwrap.dedent(inspect.getsource(function)))
        [tree] = module.body
        assert isinstance(tree, ast.FunctionDef)
        tree.decorator_list = []
        if not change(tree):
            raise StaleMutationError(reason)
        ast.fix_missing_locations(module)
        flags = __future__.annotations.compiler_flag
        namespace: dict[str, FunctionType] = {}
        code = compile(module, f"<mutation of {function.__name__}>", "exec", flags)
        exec(code, dict(function.__globals__), namespace)  # noqa: S102  our own code
        original, function.__code__ = function.__code__, namespace[tree.name].__code__
        try:
            yield
        finally:
            function.__code__ = original

    return changed


def _code_replaced(function: FunctionType, replacement: Callable[..., Any]) -> contextlib.ExitStack:
    """Let every reference to the function call the replacement."""
    stack = contextlib.ExitStack()
    for holder, name in _references(function):
        original = inspect.getattr_static(holder, name)
        setattr(
            holder, name, property(replacement) if isinstance(original, property) else replacement
        )
        stack.callback(setattr, holder, name, original)
    return stack


def _references(function: FunctionType) -> Iterator[tuple[Any, str]]:
    """Find the modules that know the function by a name, or the class that has it."""
    *path, name = function.__qualname__.split(".")
    if path:
        holder: Any = sys.modules[function.__module__]
        for part in path:
            holder = getattr(holder, part)
        yield holder, name
        return
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("aigc"):
            names = [known for known, value in vars(module).items() if value is function]
            yield from ((module, known) for known in names)


def _name_of(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", "") or getattr(call.func, "id", ""))


def _calls(statement: ast.stmt, call: str) -> bool:
    calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
    return any(_name_of(node) == call for node in calls)


def _in_each_block(
    tree: ast.FunctionDef, change: Callable[[list[ast.stmt]], list[ast.stmt] | None]
) -> int:
    """Change every block that the change applies to; return how many it did."""
    changed = 0
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                new = change(block)
                if new is not None:
                    setattr(node, field, new or [ast.Pass()])
                    changed += 1
    return changed


def _without(block: list[ast.stmt], call: str) -> list[ast.stmt] | None:
    simple = (ast.Expr, ast.Assign, ast.AnnAssign)
    kept = [one for one in block if not (isinstance(one, simple) and _calls(one, call))]
    return kept if len(kept) < len(block) else None


def _reordered(block: list[ast.stmt], call: str, behind: str) -> list[ast.stmt] | None:
    first = [number for number, one in enumerate(block) if _calls(one, call)]
    second = [number for number, one in enumerate(block) if _calls(one, behind)]
    if not first or not second or first[0] >= second[-1]:
        return None
    moved = block[first[0]]
    rest = [*block[: first[0]], *block[first[0] + 1 :]]
    rest.insert(second[-1], moved)
    return rest
