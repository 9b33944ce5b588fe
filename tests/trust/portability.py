"""The test suite on other Pythons and with other versions: ``python -m trust.portability --uv COMMAND``.

Every Python from 3.11 on that this machine has runs the suite with the locked versions; the oldest of them
also with the lowest versions that ``pyproject.toml`` allows, and the newest with the highest that there are.
In these two, warnings are not errors: old libraries warn of what their newer neighbours have changed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from trust.tables import merge

ROOT = Path(__file__).parents[2]
MINORS = range(11, 15)
EXTRAS = ["--extra", "dev", "--extra", "onnx", "--extra", "cluster", "--group", "build"]
RESOLUTIONS = {"oldest": "lowest-direct", "newest": "highest"}


def pythons() -> dict[str, str]:
    """Interpreters of this machine by version: from the search path, and those that pyenv manages."""
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders = [*sorted(managed.glob("3.*/bin")), *map(Path, os.get_exec_path())]
    found: dict[str, str] = {}
    for minor in MINORS:
        for candidate in (folder / f"python3.{minor}" for folder in folders):
            if candidate.exists() and _runs(candidate):
                found.setdefault(f"3.{minor}", str(candidate))
    return found


def _runs(python: Path) -> bool:
    return subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0


def install(uv: str, python: str, versions: str, folder: Path) -> Path:
    """Make an environment with the locked, oldest or newest versions; give its interpreter."""
    subprocess.run([uv, "-q", "venv", "--python", python, folder / "venv"], check=True)
    made = folder / "venv" / "bin" / "python"
    locked = ROOT / "requirements" / "dev.txt"
    if versions in RESOLUTIONS:
        locked = folder / "requirements.txt"
        resolve = [uv, "-q", "pip", "compile", "pyproject.toml", *EXTRAS, "--python", str(made), "-o", locked]
        subprocess.run([*resolve, "--resolution", RESOLUTIONS[versions]], cwd=ROOT, check=True)
    pip = [uv, "-q", "pip", "install", "--python", str(made)]
    subprocess.run([*pip, "-r", locked], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT], check=True)
    return made


def run(uv: str, version: str, python: str, versions: str, select: list[str]) -> dict[str, object]:
    """Run the suite in an environment of its own."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        try:
            made = install(uv, python, versions, Path(folder))
        except subprocess.CalledProcessError as error:
            done = f"cannot be installed: {error.cmd[2:5]}"
        else:
            tests = [
                made,
                "-m",
                "pytest",
                "-n",
                "2",
                "--dist",
                "loadgroup",
                "-m",
                "not slow",
                "-p",
                "no:cacheprovider",
                *select,
            ]
            tests += ["-W", "default"] if versions in RESOLUTIONS else []
            path = os.pathsep.join([str(made.parent), *os.get_exec_path()])
            environment = {**os.environ, "PATH": path, "NUMBA_CACHE_DIR": f"{folder}/numba"}
            output = subprocess.run(
                tests, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
            ).stdout
            summary = re.findall(r"^\d+ (?:passed|failed).*$", output, re.MULTILINE)
            done = summary[-1] if summary else output[-300:]
            if "failed" in done or "error" in done or not summary:
                sys.stderr.write(output[-20000:])
    return {
        "environment": f"{version} {versions}",
        "python": version,
        "versions": versions,
        "found": re.sub(r" in [\d.]+s.*", "", done),
        "seconds": round(time.monotonic() - started),
        "held": bool(re.match(r"\d+ passed", done)),
    }


def main() -> None:
    """Run the suite in every environment that can be had and write a table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--uv", required=True, help="the command of uv")
    parser.add_argument("--only", nargs="*", default=[], help="environments, such as '3.12 locked'")
    parser.add_argument("tests", nargs="*", help="what to run instead of the whole suite")
    chosen = parser.parse_args()
    found = pythons()
    wanted = [(version, "locked") for version in found]
    wanted += [(next(iter(found)), "oldest"), (list(found)[-1], "newest")]
    failed = False
    for version, versions in wanted:
        if chosen.only and f"{version} {versions}" not in chosen.only:
            continue
        row = run(chosen.uv, version, found[version], versions, chosen.tests)
        print(f"{row['environment']}: {row['found']}", flush=True)  # noqa: T201
        merge("portability.csv", "environment", row)
        failed |= not row["held"]
    for minor in MINORS:
        if f"3.{minor}" not in found:
            print(f"3.{minor}: not on this machine", flush=True)  # noqa: T201
    sys.exit(failed)


if __name__ == "__main__":
    main()
