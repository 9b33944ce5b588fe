"""Audit every report that `simulate` makes in the process of the tests."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = 200
"""Steps of each run that both engines simulate."""


@contextmanager
def every_run_audited() -> Iterator[None]:
    """Check the laws of conservation on each report, as `hwsim run --audit` does."""
    from hwsim import run
    from hwsim.audit import audit

    make = run.Report

    def audited(*args, **kwargs):
        report = make(*args, **kwargs)
        audit(report, STEPS)
        return report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "Report", audited)
        yield
