"""The small mistakes that are tried: what a node of the syntax tree could have been by a slip of the author's.

Each operator gives the nodes that stand for one node, each of which is one mutant.
"""

import ast
import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
"""An inequality takes in its border, and turns; the others turn. Against a number, == is an inequality's border too."""

ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}

NAMES = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "reversed": "list",
    "bisect_left": "__import__('bisect').bisect_right",
    "ROUND_CEILING": "'ROUND_FLOOR'",
    "ROUND_FLOOR": "'ROUND_CEILING'",
    "ROUND_HALF_EVEN": "'ROUND_HALF_UP'",
}
"""Of names that stand alone; what is not built in is written so that it needs no import."""

OF_NUMPY = {
    "minimum": "maximum",
    "maximum": "minimum",
    "greater": "greater_equal",
    "greater_equal": "greater",
    "less": "less_equal",
    "less_equal": "less",
    "equal": "not_equal",
    "not_equal": "equal",
    "add": "subtract",
    "subtract": "add",
    "multiply": "add",
    "logical_and": "logical_or",
    "logical_or": "logical_and",
    "bitwise_and": "bitwise_or",
    "bitwise_or": "bitwise_and",
    "bitwise_xor": "bitwise_or",
    "left_shift": "right_shift",
}

WORD = re.compile(r"[A-Za-z0-9_.%-]*[A-Za-z0-9][A-Za-z0-9_.%-]*")
"""A string that code compares or hands on: names of sides, types, kinds. One with a space in it is for people."""


OPPOSITES = {
    word: other
    for pair in ("up down", "long short", "buy sell", "taker maker", "2U 2D", "green red", "hammer shooter")
    for word, other in (pair.split(), reversed(pair.split()))
}
"""Words that stand in one another's place: no third would get past the types."""


def compared(node: ast.AST) -> Iterator[ast.AST]:
    """`<` for `<=`, `>=` for `<`, `!=` for `==`, `not in` for `in` …"""
    if not isinstance(node, ast.Compare):
        return
    for place, operator in enumerate(node.ops):
        others = COMPARISONS[type(operator)]
        if isinstance(operator, ast.Eq) and _is_number(node.comparators[place]):
            others = (*others, ast.LtE, ast.GtE)
        for other in others:
            yield ast.Compare(node.left, [*node.ops[:place], other(), *node.ops[place + 1 :]], node.comparators)


def computed(node: ast.AST) -> Iterator[ast.AST]:
    """`-` for `+`, `/` for `*` …, also in `+=`; texts put together are left alone."""
    if isinstance(node, ast.BinOp) and not (_is_text(node.left) or _is_text(node.right)):
        yield ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)
    if isinstance(node, ast.AugAssign) and not _is_text(node.value):
        yield ast.AugAssign(node.target, ARITHMETIC[type(node.op)](), node.value)


def joined(node: ast.AST) -> Iterator[ast.AST]:
    """`or` for `and`, and each condition forgotten."""
    if not isinstance(node, ast.BoolOp):
        return
    yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    for place in range(len(node.values)):
        rest = node.values[:place] + node.values[place + 1 :]
        yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def signed(node: ast.AST) -> Iterator[ast.AST]:
    """`not`, `-` or `~` forgotten."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield node.operand


def decided(node: ast.AST) -> Iterator[ast.AST]:
    """A condition that is one name or call turned; a filter of a comprehension forgotten."""
    if isinstance(node, ast.If | ast.While | ast.IfExp) and not _turned_elsewhere(node.test):
        turned = ast.UnaryOp(ast.Not(), node.test)
        if isinstance(node, ast.IfExp):
            yield ast.IfExp(turned, node.body, node.orelse)
        else:
            yield type(node)(turned, node.body, node.orelse)
    if isinstance(node, ast.comprehension) and node.ifs:
        yield ast.comprehension(node.target, node.iter, [], node.is_async)


def counted(node: ast.AST) -> Iterator[ast.AST]:
    """One more and one less than a number, the last digit of a decimal, the other of True and False, another word."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Decimal" and node.args:
        changed = _next_decimal(node.args[0])
        if changed is not None:
            yield ast.Call(node.func, [ast.Constant(changed)], [])
    if not isinstance(node, ast.Constant):
        return
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)
    elif isinstance(node.value, str) and WORD.fullmatch(node.value) and _decimal(node.value) is None:
        yield ast.Constant(OPPOSITES.get(node.value, f"another_{node.value}"))


def named(node: ast.AST) -> Iterator[ast.AST]:
    """`max` for `min`, `all` for `any`, `np.less_equal` for `np.less`, another way of rounding …"""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in NAMES:
        yield ast.parse(NAMES[node.id], mode="eval").body
    if isinstance(node, ast.Attribute) and node.attr in OF_NUMPY and isinstance(node.value, ast.Name | ast.Attribute):
        yield ast.Attribute(node.value, OF_NUMPY[node.attr], node.ctx)


def cut(node: ast.AST) -> Iterator[ast.AST]:
    """A bound of a slice forgotten."""
    if isinstance(node, ast.Slice):
        if node.lower is not None:
            yield ast.Slice(None, node.upper, node.step)
        if node.upper is not None:
            yield ast.Slice(node.lower, None, node.step)


def returned(node: ast.AST) -> Iterator[ast.AST]:
    """None returned instead of what was found."""
    if isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield ast.Return(ast.Constant(None))


def removed(node: ast.AST) -> Iterator[ast.AST]:
    """A statement forgotten. Not the first assignment to a name, which only makes a NameError, nor a last `return`."""
    match node:
        case ast.Expr() | ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break() | ast.Delete() | ast.Assert():
            yield ast.Pass()
        case ast.Return(value=value) if (value is None or _is_none(value)) and not getattr(node, "last", False):
            yield ast.Pass()
        case ast.Assign(targets=targets) if not all(isinstance(target, ast.Name | ast.Tuple) for target in targets):
            yield ast.Pass()
        case ast.Assign(targets=[ast.Name()]) if getattr(node, "again", False):
            yield ast.Pass()


OPERATORS: tuple[Callable[[ast.AST], Iterator[ast.AST]], ...] = (
    compared,
    computed,
    joined,
    signed,
    decided,
    counted,
    named,
    cut,
    returned,
    removed,
)


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _turned_elsewhere(test: ast.expr) -> bool:
    """Whether another operator turns the condition already."""
    return isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant)


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _next_decimal(node: ast.expr) -> str | None:
    """Return the text of a decimal with one more in its last place, None for what is no such text."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return None
    value = _decimal(node.value)
    if value is None or not value.is_finite():
        return None
    return f"{value + Decimal(1).scaleb(int(value.as_tuple().exponent)):f}"
