"""Check that the wheel holds the tracked files of the three packages, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

PACKAGES = ["hwsim", "compress", "experiments"]
SDIST = [*PACKAGES, "tests", "requirements", "Makefile", "CHANGELOG.md", "CITATION.cff"]
SDIST += ["README.md", "LICENSE", "pyproject.toml", ".gitignore"]


def tracked(paths: list[str]) -> set[str]:
    """Return the files under `paths` that git tracks."""
    listing = subprocess.run(["git", "ls-files", "-z", *paths], check=True, capture_output=True, text=True)
    return set(filter(None, listing.stdout.split("\0")))


def differences(kind: str, found: set[str], expected: set[str]) -> list[str]:
    """Say what is missing from and what is extra in an archive."""
    missing = [f"{kind} lacks {name}" for name in sorted(expected - found)]
    return missing + [f"{kind} should not hold {name}" for name in sorted(found - expected)]


def main(folder: Path) -> int:
    """Print every difference; return 1 if there is any."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    in_wheel = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    with tarfile.open(sdist) as archive:
        in_sdist = {member.name.partition("/")[2] for member in archive if member.isfile()}
    problems = differences(wheel.name, in_wheel, tracked(PACKAGES))
    problems += differences(sdist.name, in_sdist - {"PKG-INFO"}, tracked(SDIST))
    sys.stdout.write("\n".join([*problems, f"{len(in_wheel)} files in {wheel.name}", ""]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
