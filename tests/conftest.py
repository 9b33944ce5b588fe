"""Settings shared by all tests."""

import os

import pytest
from auditing import every_run_audited
from hypothesis import settings

from experiments.threads import use_one_thread

use_one_thread()  # before numpy is imported
os.environ.pop("COLUMNS", None)  # which workers of pytest-xdist have: output is as wide as in a pipe
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # commands that tests start find their modules compiled

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def _every_run_keeps_the_laws():
    with every_run_audited():
        yield
