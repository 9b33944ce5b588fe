"""The names of `import hwsim`: what they are, what they take, and what starting a program loads."""

import dataclasses
import importlib
import pkgutil
import re
import subprocess
import sys

import numpy as np
import pytest
from checkout import ROOT

import hwsim
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.workload.networks import load_csv, load_network

README = (ROOT / "README.md").read_text(encoding="utf-8")
HEAVY = {"numpy", "pandas", "numba", "matplotlib", "scipy", "pydantic", "simpy"}
PACKAGES = ["hwsim", "compress"]


def answer(code: str) -> str:
    """What a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_lines_of_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    scope: dict = {}
    exec(code, scope)
    assert scope["report"].summary()["stage"] == "huffman"
    assert (tmp_path / "energy.png").exists()


@pytest.mark.parametrize("module", [*PACKAGES, "hwsim.lazy", "experiments.cli.main"])
def test_nothing_heavy_is_imported_before_it_is_needed(module):
    modules = answer(f"import sys, {module}; print(' '.join(sys.modules))")
    assert not HEAVY & set(modules.split())


def test_only_a_table_imports_pandas_and_only_a_plot_matplotlib():
    code = (
        "import sys, hwsim; report = hwsim.simulate('edge', 'lenet5'); repr(report); report.summary(); "
        "print('pandas' in sys.modules); report._repr_html_(); report.to_frame(); "
        "print('pandas' in sys.modules, 'matplotlib' in sys.modules); "
        "report.plot(); print('matplotlib' in sys.modules)"
    )
    assert answer(code).split() == ["False", "True", "False", "True"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_there_is_documented_and_is_listed(package):
    module = importlib.import_module(package)
    assert len(module.__all__) <= 20
    assert set(module.__all__) <= set(dir(module))
    for name in set(module.__all__) - {"__version__"}:
        found = getattr(module, name)
        assert found.__doc__
        assert found.__name__ == name


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_means_the_same_whatever_was_imported_before(package):
    """Importing a module sets an attribute of its package: no module or folder may have a public name."""
    folder = ROOT / package
    taken = {path.name for path in folder.iterdir() if path.is_dir()} | {
        path.stem for path in folder.glob("*.py")
    }
    assert not taken & set(importlib.import_module(package).__all__)
    modules = [found.name for found in pkgutil.walk_packages([str(folder)], f"{package}.")]
    modules = [name for name in modules if not name.endswith("__main__")]
    start = f"import importlib, {package} as p"
    say = "print([(n, getattr(p, n).__module__) for n in p.__all__ if n != '__version__'])"
    first = answer(f"{start}; {say}")
    last = answer(f"{start}; [importlib.import_module(name) for name in {modules}]; {say}")
    assert first == last


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        importlib.import_module(package).nothing  # noqa: B018


def test_the_version_is_that_of_the_package():
    assert f'version = "{hwsim.__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_python_m_hwsim_is_the_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "hwsim", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"hwsim {hwsim.__version__}\n"
    bad = subprocess.run(
        [sys.executable, "-m", "hwsim", "run", "nochip", "lenet5"], cwd=ROOT, capture_output=True
    )
    assert bad.returncode == 2


def test_chips_and_networks_say_one_line_about_each():
    assert hwsim.chips().keys() == {path.stem for path in (ROOT / "hwsim" / "data" / "chips").glob("*.toml")}
    for name, line in {**hwsim.chips(), **hwsim.networks()}.items():
        assert line
        assert "\n" not in line, name
    assert hwsim.chips()["edge"] == load_chip("edge").description


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "layers.csv"
    path.write_text("name,kind,channels,height,width,filters\nfc1,fc,64,1,1,10\n", encoding="utf-8")
    return path


def test_names_and_objects_give_the_same_run():
    objects = hwsim.simulate(load_chip("edge"), load_network("lenet5", "huffman"))
    assert hwsim.simulate("edge", "lenet5", stage="huffman").summary() == objects.summary()
    assert hwsim.simulate("edge", "lenet5").workload.stage == "dense"


def test_paths_stand_for_what_is_in_the_files(table, tmp_path):
    chip = tmp_path / "my.toml"
    chip.write_bytes((ROOT / "hwsim" / "data" / "chips" / "edge.toml").read_bytes())
    expected = hwsim.simulate(load_chip("edge"), load_csv(table)).summary()
    assert hwsim.simulate(chip, table).summary() == expected
    assert hwsim.simulate(str(chip), str(table)).summary() == expected
    assert repr(hwsim.load_network(table)) == repr(load_csv(table))


def test_an_energy_table_is_taken_by_name():
    named = hwsim.simulate("edge", "lenet5", table="45nm_horowitz").summary()
    assert named == hwsim.simulate("edge", "lenet5", table=hwsim.EnergyTable.load("45nm_horowitz")).summary()
    assert named != hwsim.simulate("edge", "lenet5").summary()


CHIP = "expected a Chip, the name of a shipped chip or a .toml file"
WORKLOAD = "expected a Workload, the name of a shipped network or a .csv table of layers"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hwsim.simulate(5, "lenet5"), f"chip is 5 (int), {CHIP}"),
        (lambda: hwsim.simulate(None, "lenet5"), f"chip is None, {CHIP}"),
        (lambda: hwsim.simulate({"name": "edge"}, "lenet5"), f"chip is {{'name': 'edge'}} (dict), {CHIP}"),
        (lambda: hwsim.simulate("edge", ["lenet5"]), f"workload is ['lenet5'] (list), {WORKLOAD}"),
        (lambda: hwsim.simulate("edge", 5), f"workload is 5 (int), {WORKLOAD}"),
        (
            lambda: hwsim.simulate("edge", "lenet5", 0),
            "batch is 0, expected a whole number",
        ),
        (
            lambda: hwsim.simulate("edge", "lenet5", "8"),
            "batch is '8' (str), expected a whole number of items, at least 1",
        ),
        (lambda: hwsim.simulate("edge", "lenet5", 1.5), "batch is 1.5 (float), expected a whole number"),
        (
            lambda: hwsim.simulate("edge", "lenet5", engine="slow"),
            "engine is 'slow', expected one of fast",
        ),
        (
            lambda: hwsim.simulate("edge", "lenet5", engine=["fast"]),
            "engine is ['fast'] (list), expected one of",
        ),
        (
            lambda: hwsim.simulate("edge", "lenet5", table=45),
            "table is 45 (int), expected an EnergyTable, the name of a shipped one or a .csv file",
        ),
        (lambda: hwsim.simulate("edge", "lenet5", stage=8), "stage is 8 (int), expected a name such as"),
        (
            lambda: hwsim.simulate("edge", "lenet5", stage="zipped"),
            "no stage 'zipped', expected one of dense",
        ),
        (
            lambda: hwsim.simulate("edge", load_network("lenet5"), stage="huffman"),
            "the workload lenet5 is at stage 'dense', expected no stage with a Workload",
        ),
        (lambda: hwsim.simulate("nochip", "lenet5"), "no chip 'nochip': expected a .toml file or one of"),
        (lambda: hwsim.simulate("edge", "nonet"), "no network 'nonet', expected one of"),
        (
            lambda: hwsim.simulate("edge", "model.dcz"),
            "model.dcz: hwsim does not read compressed files, expected the workload that "
            "compress.workload_of('model.dcz') returns",
        ),
        (lambda: hwsim.load_chip(5), "chip is 5 (int), expected the name of a shipped chip or a .toml file"),
        (
            lambda: hwsim.load_network(b"lenet5"),
            "network is b'lenet5' (bytes), expected the name of a shipped network or a .csv table of layers",
        ),
        (lambda: hwsim.load_chip("a" * 5000), "or a .toml file: the name is too long"),
        (lambda: hwsim.load_network("x\0y"), "no name holds a null character"),
        (lambda: hwsim.load_chip("\ud800"), "no name holds such characters"),
        (
            lambda: hwsim.simulate("edge", "lenet5", engine=np.zeros(3)),
            "engine is array([0., 0., 0.]) (ndarray)",
        ),
        (
            lambda: hwsim.simulate("edge", "lenet5", stage=np.zeros(3)),
            "stage is array([0., 0., 0.]) (ndarray)",
        ),
        (lambda: hwsim.simulate("edge", "lenet5", arithmetic=[]), "arithmetic is [] (list), expected"),
        (lambda: hwsim.network_stages(1), "network is 1 (int), expected the name of a shipped network"),
        (
            lambda: hwsim.load_network("layers.csv", "dense"),
            "layers.csv: a table has one stage, expected no stage 'dense'",
        ),
    ],
)
def test_what_cannot_be_used_is_one_sentence(call, message):
    with pytest.raises(InputError) as caught:
        call()
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_stage_that_is_assumed_elsewhere_is_refused_with_what_is_known():
    with pytest.raises(InputError, match="lstm_2x1500: no stage 'huffman', expected one of dense, int8"):
        hwsim.simulate("edge", "lstm_2x1500", stage="huffman")


DIGITS = 10**5000
"""More digits than Python writes."""


@pytest.mark.parametrize("number", [DIGITS, -DIGITS, [DIGITS], {"a": DIGITS}, {DIGITS: 1}], ids=range(5))
@pytest.mark.parametrize(
    "call",
    [
        hwsim.load_chip,
        hwsim.load_network,
        hwsim.EnergyTable.load,
        lambda number: hwsim.simulate(number, "lenet5"),
        lambda number: hwsim.simulate("edge", number),
        lambda number: hwsim.simulate("edge", "lenet5", number),
        lambda number: hwsim.simulate("edge", "lenet5", engine=number),
        lambda number: hwsim.simulate("edge", "lenet5", table=number),
        lambda number: hwsim.load_chip("edge").replace(**{"sram.capacity_B": number}),
        lambda number: hwsim.load_chip("edge").replace(name=number),
        lambda number: load_network("lenet5").only([DIGITS if isinstance(number, (list, dict)) else number]),
        *(
            lambda number, key=key: dataclasses.replace(load_network("lenet5").layers[0], **{key: number})
            for key in ("pixels", "groups", "vector_ops", "outside_bits", "name")
        ),
        *(
            lambda number, key=key: dataclasses.replace(
                load_network("lenet5").layers[0].weights, **{key: number}
            )
            for key in ("nonzeros", "entries", "side_bits", "format")
        ),
    ],
)
def test_numbers_of_any_digits_are_refused_in_one_sentence(call, number):
    with pytest.raises(InputError) as refused:
        call(number)
    assert len(str(refused.value)) < 1000


def test_layers_of_one_name_are_refused():
    network = load_network("lenet5")
    twice = (network.layers[0], *(dataclasses.replace(layer, name="x") for layer in network.layers[1:3]))
    with pytest.raises(InputError, match="workload lenet5: 2 layers are named 'x'"):
        dataclasses.replace(network, layers=twice)
