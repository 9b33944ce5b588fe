"""Families of chips: constants that no data sheet says, fitted to published measurements of boards.

A chip file names its family in ``kernels.family``. A key of the family that the file leaves out gets the
family's constant: a number, or a multiple of what the file says elsewhere. ``hwsim validate`` shows what
each constant buys.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from hwsim.csvfile import Column, read_rows
from hwsim.energy.dram import load_dram
from hwsim.errors import InputError

