"""Sphinx configuration."""

from importlib import metadata

project = "hwsim"
author = "The hwsim developers"
release = metadata.version("hwsim")

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
html_theme = "furo"
html_title = f"hwsim {release}"
autosummary_generate = True
autodoc_typehints = "none"  # numpydoc sections say the types
numpydoc_show_class_members = False
myst_heading_anchors = 3
exclude_patterns = ["_build"]
