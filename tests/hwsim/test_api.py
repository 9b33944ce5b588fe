"""The lines of Python README shows, and what starting a command loads."""

import re
import subprocess
import sys

from checkout import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_lines_of_the_readme_run():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    scope: dict = {}
    exec(code, scope)
    assert scope["report"].summary()["stage"] == "huffman"


def test_nothing_heavy_is_imported_before_it_is_needed():
    loaded = "import sys, experiments.cli.main; print(' '.join(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert not {"numpy", "pandas", "numba", "matplotlib"} & set(modules.stdout.split())
