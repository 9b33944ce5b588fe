"""Settings shared by all tests."""

import pytest
from hypothesis import settings

from experiments.threads import use_one_thread

use_one_thread()  # before numpy is imported

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

STEPS_AUDITED = 200
"""Steps of each run that both engines simulate."""


@pytest.fixture(scope="session", autouse=True)
def _every_run_keeps_the_laws():
    """Audit each report that `simulate` makes in the process of the tests."""
    from hwsim import run
    from hwsim.audit import audit

    make = run.Report

    def audited(*args, **kwargs):
        report = make(*args, **kwargs)
        audit(report, STEPS_AUDITED)
        return report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "Report", audited)
        yield
