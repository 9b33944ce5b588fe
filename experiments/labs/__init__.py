"""Seven labs, of which six follow the tour: scripts in cells, and what checks the answers.

A lab is a script in the percent format, which editors and Jupyter (with jupytext) open as a notebook and
``python`` runs as it is. Cells tagged ``answer`` hold the blanks that students fill in, cells tagged
``solution`` what instructors see in their place.
"""
