"""Settings shared by all tests."""

import os

from hypothesis import settings

import experiments  # noqa: F401  (sets the number of BLAS threads before numpy is imported)

os.environ["HWSIM_AUDIT"] = "200"  # every run in the tests keeps the laws of conservation

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
