"""The page of invariants names tests that exist."""

import re

from checkout import ROOT


def test_every_invariant_is_held_by_a_test():
    page = (ROOT / "docs" / "invariants.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and "held by" not in line]
    named = [re.search(r"`([\w/]+/test_\w+\.py)::(test_\w+)` \|$", row) for row in rows]
    assert rows
    assert all(named)
    missing = [
        found[0]
        for found in named
        if f"def {found[2]}(" not in (ROOT / "tests" / found[1]).read_text(encoding="utf-8")
    ]
    assert missing == []
