"""Mutation testing of what prices, times and codes: ``python -m trust.mutants --cosmic-ray COMMAND``.

Cosmic Ray lists and makes the mutants; a sample of places, drawn by seed and as many from each group of
modules, gets one mutant each, in a copy of the tree, and the tests of its module. Mutants that differ in
nothing that runs (annotations, how numba compiles) are passed over. What survives is explained in
``tests/trust/survivors.csv``, or asks for a better test.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LIMIT_CPU_S = 120
"""Several times what the tests of a module take: a mutant that runs longer is in an endless loop."""
LIMIT_BYTES = 8 << 30

TESTS = {
    "energy": {
        "hwsim/energy/table.py": "energy scaling sram golden",
        "hwsim/pricing.py": "audit energy arrays_simd simulate golden",
        "hwsim/energy/scaling.py": "scaling energy",
        "hwsim/power/trace.py": "trace thermal chrome_trace",
    },
    "engine": {
        "hwsim/engine/stream.py": "engines",
        "hwsim/engine/event.py": "engines",
        "hwsim/engine/fast.py": "engines trace",
        "hwsim/power/governed.py": "trace steady",
    },
    "codec": {
        "compress/codecs/alphabet.py": "context container",
        "compress/codecs/arithmetic.py": "arithmetic context",
        "compress/codecs/bits.py": "huffman context gaps container",
        "compress/codecs/context.py": "context container",
        "compress/codecs/context_model.py": "context container",
        "compress/codecs/gaps.py": "gaps container",
        "compress/codecs/huffman.py": "huffman container",
        "compress/codecs/mixing.py": "arithmetic context container",
    },
}
"""Modules by group, and what tests each, the quickest first."""


class Mutant(NamedTuple):
    """A change at one place."""

    module: str
    operator: str
    occurrence: int
    line: int
    column: int


class _Runs(ast.NodeTransformer):
    """Keep what runs: no annotations, nothing for the type checker or that tells numba how to compile."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        return ast.Assign([node.target], node.value) if node.value else ast.Expr(node.target)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns = None
        node.decorator_list = [
            found for found in node.decorator_list if not {"njit", "lean", "lean_inline"} & _names(found)
        ]
        return node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if ast.unparse(node.test) == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)


def _names(node: ast.AST) -> set[str]:
    return {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}


def what_runs(source: str) -> str:
    """Canonical text of what of a module has an effect."""
    return ast.dump(_Runs().visit(ast.parse(source)))


def places(tool: str, tree: Path, modules: list[str]) -> dict[tuple[str, int, int], list[Mutant]]:
    """All mutants of Cosmic Ray, by the place that they change."""
    with tempfile.TemporaryDirectory() as folder:
        config, session = Path(folder) / "config.toml", Path(folder) / "session.sqlite"
        config.write_text(
            f"[cosmic-ray]\nmodule-path = {json.dumps(modules)}\ntimeout = 1.0\nexcluded-modules = []\n"
            'test-command = "true"\n[cosmic-ray.distributor]\nname = "local"\n',
            encoding="utf-8",
        )
        subprocess.run([tool, "init", config, session], cwd=tree, check=True)
        dumped = subprocess.run([tool, "dump", session], capture_output=True, text=True, check=True).stdout
    found: dict[tuple[str, int, int], list[Mutant]] = {}
    for line in dumped.splitlines():
        change = json.loads(line)[0]["mutations"][0]
        place = (change["module_path"], *change["start_pos"])
        found.setdefault(place, []).append(
            Mutant(change["module_path"], change["operator_name"], change["occurrence"], *change["start_pos"])
        )
    return {place: sorted(found[place]) for place in sorted(found)}


@cache
def _imports(tree: Path) -> dict[str, set[str]]:
    """Dotted names that each module imports from others."""
    return {
        path.relative_to(tree).as_posix(): {
            f"{node.module}.{alias.name}"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        for package in ("hwsim", "compress")
        for path in (tree / package).rglob("*.py")
    }


def importers(tree: Path, module: str) -> set[str]:
    """Stems of `module` and of all that import it, directly or not: their compiled code holds its."""
    changed, grown = {module}, True
    while grown:
        dotted = [name.removesuffix(".py").replace("/", ".") + "." for name in changed]
        more = {
            path
            for path, names in _imports(tree).items()
            if any(f"{name}.".startswith(one) for name in names for one in dotted)
        }
        grown = not more <= changed
        changed |= more
    return {Path(name).stem for name in changed}


class Bench:
    """A copy of the tree in which one module at a time is changed and tested."""

    def __init__(self, tool: str, tree: Path) -> None:
        self.tool, self.tree = tool, tree
        self._compiled = tree / "numba-before"
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in filter(None, listed.stdout.split("\0")):
            if name.startswith(("hwsim/", "compress/", "experiments/", "tests/", "pyproject.toml")):
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, tree / name)

    def test(self, module: str, names: str) -> str:
        """Run the tests of a module: ``passed``, or the first that failed, or the signal that ended them."""
        cache = self.tree / "numba"
        shutil.rmtree(cache, ignore_errors=True)
        if self._compiled.exists():
            stale = importers(self.tree, module)
            shutil.copytree(
                self._compiled,
                cache,
                ignore=lambda _, files: [file for file in files if file.split(".")[0] in stale],
            )
        files = [str(path) for name in names.split() for path in self.tree.rglob(f"test_{name}.py")]
        words = ["-m", "pytest", "-x", "-q", "-n", "0", "-m", "not slow", "-p", "no:cacheprovider", "--tb=no"]
        words += ["-p", "no:randomly"]  # the quickest first
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
        environment["PYTHONPATH"] = str(self.tree)
        done = subprocess.run(
            [sys.executable, *words, "-rfE", *files],
            cwd=self.tree,
            env=environment,
            capture_output=True,
            text=True,
            preexec_fn=partial(_limit, LIMIT_CPU_S if module else resource.RLIM_INFINITY),
            check=False,
        )
        if done.returncode == 0:
            return "passed"
        if done.returncode < 0:
            return signal.Signals(-done.returncode).name
        failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return failed[0].split(" - ")[0].split(" ", 1)[1] if failed else f"exit code {done.returncode}"

    def warm(self) -> None:
        """Make sure that everything passes unchanged, and keep what numba has compiled.

        Raises
        ------
        AssertionError
            If a test fails without any change.
        """
        every = " ".join(
            dict.fromkeys(" ".join(names for group in TESTS.values() for names in group.values()).split())
        )
        found = self.test("", every)
        assert found == "passed", f"unchanged, {found} fails"
        (self.tree / "numba").rename(self._compiled)

    def judge(self, mutant: Mutant, names: str) -> dict[str, Any] | None:
        """Make and test a mutant; nothing if what runs is the same."""
        path = self.tree / mutant.module
        before = path.read_text(encoding="utf-8")
        stat = path.stat()
        apply = [self.tool, "apply", mutant.module, mutant.operator, str(mutant.occurrence)]
        try:
            subprocess.run(apply, cwd=self.tree, check=True, capture_output=True)
            after = path.read_text(encoding="utf-8")
            if what_runs(after) == what_runs(before):
                return None
            found = self.test(mutant.module, names)
        finally:
            path.write_text(before, encoding="utf-8")
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        was, now = (_changed_line(one, other) for one, other in ((before, after), (after, before)))
        return {
            "module": mutant.module,
            "line": mutant.line,
            "operator": mutant.operator.removeprefix("core/"),
            "was": was,
            "now": now,
            "killed": found != "passed",
            "by": "" if found == "passed" else found,
        }


def _limit(cpu_s: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))


def draw(tool: str, tree: Path, group: str, seed: int) -> Iterator[Mutant]:
    """Mutants of a group, one a place, in an order that the seed gives."""
    rng = random.Random(f"{seed} {group}")
    found = places(tool, tree, list(TESTS[group]))
    return iter([rng.choice(found[place]) for place in rng.sample(list(found), len(found))])


def _changed_line(text: str, other: str) -> str:
    pairs = zip(text.splitlines(), other.splitlines(), strict=False)
    return next((one.strip() for one, two in pairs if one != two), "")


def main() -> None:
    """Test a sample of mutants and write a table."""
    import pandas as pd

    from trust.tables import write

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--cosmic-ray", required=True, help="the command of Cosmic Ray")
    parser.add_argument("--each", type=int, default=70, help="mutants of each group")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--groups", nargs="+", choices=TESTS, default=list(TESTS))
    chosen = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(chosen.cosmic_ray, Path(folder))
        bench.warm()
        drawn = [draw(chosen.cosmic_ray, bench.tree, group, chosen.seed) for group in chosen.groups]
        for _ in range(chosen.each):  # the groups in turn, so that a run that is stopped has of each
            for group, mutants in zip(chosen.groups, drawn, strict=True):
                began = time.monotonic()
                judged = (bench.judge(mutant, TESTS[group][mutant.module]) for mutant in mutants)
                row = next((row for row in judged if row is not None), None)
                if row is None:
                    continue
                rows.append({"group": group, **row})
                table = pd.DataFrame(rows).sort_values(["group", "module", "line", "operator", "now"])
                write("mutants.csv", table)
                print(  # noqa: T201
                    f"{'killed' if row['killed'] else 'SURVIVED'} {row['module']}:{row['line']} "
                    f"{row['was']} -> {row['now']} ({time.monotonic() - began:.0f} s)",
                    flush=True,
                )


if __name__ == "__main__":
    main()
