"""Sphinx configuration; pages that follow from the program are written by `docs/pages.py` first."""

import sys
import types
from collections import namedtuple
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from experiments.threads import use_one_thread

use_one_thread()  # before `pages` imports numpy

import pages  # noqa: E402  # isort: skip

FIELD = type(namedtuple("One", "field").field)
"""What stands for a field in the class of a named tuple."""

project = "hwsim"
author = "The hwsim developers"
release = metadata.version("hwsim")

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
html_theme = "furo"
html_title = f"hwsim {release}"
templates_path = ["_templates"]
exclude_patterns = ["_build"]

autosummary_generate = True
# names that a package takes from its modules have pages of their own: see api.rst
autodoc_default_options = {"member-order": "bysource", "ignore-module-all": True}
autodoc_typehints = "none"  # numpydoc sections say the types
numpydoc_show_class_members = False

myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]


def setup(app):
    """Write the generated pages before Sphinx looks for sources."""
    pages.write(Path(app.srcdir))
    app.connect("autodoc-skip-member", _says_nothing)


def _says_nothing(_app, _what, _name, obj, skip, _options):
    """Leave out names for types (``Action = tuple[...]``), which numpydoc takes for classes.

    And fields of named tuples, of which nothing is known but "alias for field number 0".
    """
    return True if isinstance(obj, types.GenericAlias | FIELD) else skip
