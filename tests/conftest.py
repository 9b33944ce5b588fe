"""Settings shared by all tests."""

from hypothesis import settings

import experiments  # noqa: F401  (sets the number of BLAS threads before numpy is imported)

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
