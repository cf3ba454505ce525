"""Every mutant of a source: its tree with one node in another's place.

A mutant is known by its function, by what stood there and what stands there now, and by how many of the same came
before it in that function: not by its line, so that a list of mutants outlives changes elsewhere in the file.

Not mutated, because no rule is in it: docstrings, annotations and types, imports, decorators and the options of
classes, what is raised (its text; that it is raised is), the literal parts of f-strings, `__repr__` and `__str__`.
"""

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from tests.mutation.operators import OPERATORS

WIDTH = 100
"""What stood there is told by the largest part of the statement that is no longer than this."""

UNTOUCHED_FIELDS = frozenset(
    {
        (ast.AnnAssign, "annotation"),
        (ast.AnnAssign, "target"),
        (ast.Assign, "targets"),
        (ast.arg, "annotation"),
        (ast.FunctionDef, "returns"),
        (ast.FunctionDef, "decorator_list"),
        (ast.ClassDef, "decorator_list"),
        (ast.ClassDef, "bases"),
        (ast.ClassDef, "keywords"),
        (ast.FormattedValue, "format_spec"),
        (ast.ExceptHandler, "type"),
    }
)
UNTOUCHED = (ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal)
TYPES = ("Literal", "NDArray", "Callable", "Mapping", "Sequence", "Iterable", "tuple", "dict", "list", "set")
TEXTS = ("__repr__", "__str__")

Step = tuple[str, int | None]
"""A field of a node, and the place in it where it is a list."""


class Mutant(NamedTuple):
    """One mutant. `was` and `becomes` are the part of the statement that changes; `occurrence` counts from 1."""

    file: str
    function: str
    was: str
    becomes: str
    occurrence: int
    line: int
    path: tuple[Step, ...]
    node: ast.AST

    @property
    def identity(self) -> tuple[str, str, str, str, int]:
        """What a list of mutants knows it by."""
        return self.file, self.function, self.was, self.becomes, self.occurrence

    def applied_to(self, tree: ast.Module) -> ast.Module:
        """Return a copy of the tree with the mutation in it."""
        mutated = copy.deepcopy(tree)
        *way, last = self.path
        parent: ast.AST = mutated
        for step in way:
            parent = _child(parent, step)
        new = ast.copy_location(copy.deepcopy(self.node), _child(parent, last))
        _put(parent, last, new)
        return ast.fix_missing_locations(mutated)


def mutants_of(file: str, source: str) -> list[Mutant]:
    """Return every mutant of a source, in the order of its lines. `file` is only written into them."""
    tree = ast.parse(source)
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            _mark(function)
    found: list[Mutant] = []
    seen: Counter[tuple[str, str, str]] = Counter()
    for path, ancestors, node in _sites(tree, (), ()):
        function_name = ".".join(a.name for a in ancestors if isinstance(a, ast.FunctionDef | ast.ClassDef)) or "module"
        for operator in OPERATORS:
            for new in operator(node):
                was, becomes = _told(ancestors, path, node, new)
                if was == becomes:
                    continue
                seen[function_name, was, becomes] += 1
                occurrence = seen[function_name, was, becomes]
                line = next(at for at in (getattr(n, "lineno", 0) for n in (node, *reversed(ancestors))) if at)
                found.append(Mutant(file, function_name, was, becomes, occurrence, line, path, new))
    return found


def _sites(
    node: ast.AST, path: tuple[Step, ...], ancestors: tuple[ast.AST, ...]
) -> Iterator[tuple[tuple[Step, ...], tuple[ast.AST, ...], ast.AST]]:
    """Yield the places that may be mutated: the way there, the nodes passed on it, the node."""
    if _is_untouched(node, ancestors):
        return
    if path:
        yield path, ancestors, node
    if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and _raises(node)):
        return
    for field, value in ast.iter_fields(node):
        if (type(node), field) in UNTOUCHED_FIELDS:
            continue
        if isinstance(value, ast.AST):
            yield from _sites(value, (*path, (field, None)), (*ancestors, node))
        elif isinstance(value, list):
            for place, each in enumerate(value):
                if isinstance(each, ast.AST):
                    yield from _sites(each, (*path, (field, place)), (*ancestors, node))


def _is_untouched(node: ast.AST, ancestors: tuple[ast.AST, ...]) -> bool:
    parent = ancestors[-1] if ancestors else None
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            return True
        case ast.FunctionDef(name=name) if name in TEXTS:
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
            return True
        case ast.Assign(value=value) if isinstance(parent, ast.Module) and _is_type(value):
            return True
        case ast.Constant() if isinstance(parent, ast.JoinedStr):
            return True
    return isinstance(node, UNTOUCHED)


def _is_type(value: ast.expr) -> bool:
    """Whether what a name is given is a type: `Side = Literal["long", "short"]`."""
    if isinstance(value, ast.BinOp):
        return _is_type(value.left) or _is_type(value.right)
    return isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name) and value.value.id in TYPES


def _raises(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id.endswith("Error")


def _mark(function: ast.FunctionDef) -> None:
    """Mark a return as `last`, and the assignments to a name that has, or may have, a value already as `again`."""
    function.body[-1].last = True  # type: ignore[attr-defined]  # a mark of ours on the node
    has_value = {arg.arg for arg in (*function.args.args, *function.args.kwonlyargs)}
    for node in _in_order(function.body):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.For | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
            if isinstance(node, ast.Assign) and names <= has_value:
                node.again = True  # type: ignore[attr-defined]  # a mark of ours on the node
            has_value |= names


def _in_order(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            for field in ("body", "orelse", "finalbody"):
                yield from _in_order(getattr(statement, field, []))


def _told(ancestors: tuple[ast.AST, ...], path: tuple[Step, ...], node: ast.AST, new: ast.AST) -> tuple[str, str]:
    """Return what stood there and what stands there now, as source."""
    inner = max(place for place, each in enumerate((*ancestors, node)) if isinstance(each, ast.stmt))
    for whole in (*ancestors, node)[inner:]:
        if not isinstance(whole, ast.stmt | ast.expr):
            continue
        was = _source(whole)
        if len(was) <= WIDTH or whole is node:
            break
    else:
        whole, was = node, _source(node)
    if whole is node:
        return _shortened(was), _shortened(_source(new))
    _put(ancestors[-1], path[-1], new)
    try:
        return was, _source(whole)
    finally:
        _put(ancestors[-1], path[-1], node)


def _source(node: ast.AST) -> str:
    """Return a node as normalised source, of a statement with a body only its head."""
    if isinstance(node, ast.comprehension):
        return ast.unparse(ast.ListComp(ast.Constant(...), [node]))
    head = copy.copy(node)
    for field, nothing in (("body", []), ("orelse", []), ("handlers", []), ("finalbody", []), ("decorator_list", [])):
        if isinstance(getattr(head, field, None), list):
            setattr(head, field, nothing)
    return ast.unparse(head)


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _child(parent: ast.AST, step: Step) -> ast.AST:
    field, place = step
    value = getattr(parent, field)
    child: ast.AST = value if place is None else value[place]
    return child


def _put(parent: ast.AST, step: Step, new: ast.AST) -> None:
    field, place = step
    if place is None:
        setattr(parent, field, new)
    else:
        getattr(parent, field)[place] = new
