"""What is computed in one module only: counts times prices, and quotients rounded up."""

import ast
from collections.abc import Callable

import pytest
from checkout import ROOT

PACKAGES = ("hwsim", "compress", "experiments")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
PRICING, WHOLE = ROOT / "hwsim" / "pricing.py", ROOT / "hwsim" / "whole.py"


def is_priced(node: ast.AST) -> bool:
    """Whether a count is multiplied by a price looked up there: ``n * prices[component, action].pJ``."""
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Mult)
        and any(
            isinstance(side, ast.Attribute) and side.attr == "pJ" and isinstance(side.value, ast.Subscript)
            for side in (node.left, node.right)
        )
    )


def is_minus(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def is_rounded_up(node: ast.AST) -> bool:
    """Whether a quotient is rounded up: ``-(-a // b)``."""
    if not (isinstance(node, ast.UnaryOp) and is_minus(node) and isinstance(node.operand, ast.BinOp)):
        return False
    quotient = node.operand
    left = quotient.left
    while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mult):
        left = left.left
    return isinstance(quotient.op, ast.FloorDiv) and is_minus(left)


def found(rule: Callable[[ast.AST], bool], source: str) -> list[str]:
    return [ast.unparse(node) for node in ast.walk(ast.parse(source)) if rule(node)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_other_module_does_it(path):
    source = path.read_text(encoding="utf-8")
    if path.is_relative_to(ROOT / "hwsim") and path != PRICING:
        assert found(is_priced, source) == []
    if path != WHOLE:
        assert found(is_rounded_up, source) == []


def test_the_rules_find_what_they_forbid():
    assert found(is_priced, "total += 1e-12 * count * prices['dram', 'read_bit'].pJ * scale")
    assert found(is_priced, PRICING.read_text(encoding="utf-8"))
    assert not found(is_priced, "spent = scale * energy.pJ")
    assert found(is_rounded_up, "n = -(-bits // 8)")
    assert found(is_rounded_up, "n = -(-q.size * bits // 8)")
    assert found(is_rounded_up, WHOLE.read_text(encoding="utf-8"))
    assert not found(is_rounded_up, "n = -bits % 8 + bits // 8")
