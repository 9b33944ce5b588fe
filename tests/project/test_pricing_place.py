"""Counts are multiplied by prices in one module."""

import ast

import pytest
from checkout import ROOT

PRICING = ROOT / "hwsim" / "pricing.py"
MODULES = [path for path in sorted((ROOT / "hwsim").rglob("*.py")) if path != PRICING]


def priced(source: str) -> list[str]:
    """Products with a price that is looked up on the spot: ``count * prices[component, action].pJ``."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)
        for side in (node.left, node.right)
        if isinstance(side, ast.Attribute) and side.attr == "pJ" and isinstance(side.value, ast.Subscript)
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_other_module_prices_a_count(path):
    assert priced(path.read_text(encoding="utf-8")) == []


def test_the_rule_finds_what_it_forbids():
    assert priced("total += 1e-12 * count * prices['dram', 'read_bit'].pJ * scale")
    assert priced(PRICING.read_text(encoding="utf-8"))
    assert not priced("spent = scale * energy.pJ")
