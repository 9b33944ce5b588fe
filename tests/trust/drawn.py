"""What a campaign tries: command lines and calls of the API, drawn from sensible and from odd values."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

LONG = {
    "demo", "page", "slides", "bench", "measure", "reference", "validate", "compress", "frontier",
    "sensitivity", "labs", "experiments", "relight", "dark",
}  # fmt: skip
"""Commands that train, measure or write for minutes."""

NUMBERS = ("0", "1", "2", "8", "64", "-1", "0.5", "1e9", "nan", "inf", "-inf", "x", "", "9" * 30, "4097")
NAMES = ("edge", "phone", "reference_250w", "eie", "eyeriss", "lenet300", "lenet5", "squeezenet1_1", "edg")
FILES = (
    "net.csv", "model.dcz", "noise.dcz", "empty", "inputs.npy", "nan.npy", "names.npz", "sweep.toml",
    "chip.toml", "deep.toml", "a$b{.csv", "caf\udce9.csv", ".", "missing", "table.csv", "model.onnx",
    "\x1b[31m",
)  # fmt: skip
POINTS = ("edge:lenet5", "edge:lenet300:huffman", "edge:model.dcz", "phone:lenet5:dense:2")
BY_NAME: dict[str, tuple[str, ...]] = {
    "chip": ("edge", "phone", "reference_250w", "eie", "chip.toml"),
    "workload": ("lenet300", "lenet5", "net.csv", "model.dcz", "caf\udce9.csv"),
    "network": ("lenet300", "lenet5", "net.csv", "model.dcz"),
    "model": ("model.dcz", "model.dcz", "noise.dcz"),
    "path": ("model.dcz", "net.csv", "chip.toml"),
    "table": ("table.csv", "45nm", "7nm"),
    "inputs": ("inputs.npy", "input=inputs.npy", "nan.npy", "names.npz"),
    "labels": ("labels.txt",),
    "a": POINTS,
    "b": POINTS,
    "stage": ("dense", "pruned", "shared", "huffman", "int8"),
    "coding": ("fixed", "huffman", "context", "smallest", "auto"),
    "output": ("out.dcz", "out.npy", "out.npz", "out.onnx", "model.dcz"),
    "csv": ("out.csv",),
    "plot": ("a$b.svg", "out.png"),
    "trace": ("out.json",),
    "copy": ("mine.toml",),
    "file": ("sweep.toml", "deep.toml"),
    "backend": ("serial",),
    "minimise": ("energy_J", "a", "a,b"),
    "maximise": ("b",),
    "set_": ("sram.capacity_B=64k", "power.cap_W=0.3", "dram.type=HBM2-2000"),
    "arithmetic": ("fp16", "int8"),
    "explain": ("dram", "mapping"),
}
"""Sensible words by the name of a parameter; any other takes its default, or a small number."""


def prepare(folder: Path) -> Path:
    """Write the files that words name, sound ones and odd ones; load and compile what most processes need."""
    from compress.format.container import Artifact
    from compress.nn.lenets import lenet_300_100
    from hwsim.run import simulate

    simulate("edge", "lenet300", stage="huffman")
    rng = np.random.default_rng(0)
    model = Artifact.of(lenet_300_100(rng, (20, 10)), "dense")
    model.save(folder / "model.dcz")
    (folder / "noise.dcz").write_bytes(rng.bytes(500))
    (folder / "model.onnx").write_bytes(rng.bytes(500))
    (folder / "empty").write_bytes(b"")
    (folder / "labels.txt").write_text("0\n" * 6, encoding="utf-8")
    np.save(folder / "inputs.npy", rng.random((6, 1, 28, 28), np.float32))
    np.save(folder / "nan.npy", np.full((6, 1, 28, 28), np.nan, np.float32))
    np.savez(folder / "names.npz", a=np.arange(3), b=np.array(["x"]))
    table = "name,kind,channels,height,width,filters\nc,conv,3,8,8,4\nf,fc,,,,10\n"
    for name in ("net.csv", "a$b{.csv", "caf\udce9.csv"):
        (folder / name).write_text(table, encoding="utf-8")
    (folder / "table.csv").write_text("a,b,energy_J\n1,2,3\n2,1,nan\n=1,,x\n", encoding="utf-8")
    (folder / "chip.toml").write_text('name = "mine"\nbase = 3\n', encoding="utf-8")
    (folder / "deep.toml").write_text("x = " + "[" * 5000 + "]" * 5000, encoding="utf-8")
    (folder / "sweep.toml").write_text(
        'name = "small"\nmethod = "grid"\n[axes]\nchip = ["edge"]\nnetwork = ["lenet300"]\nbatch = [1, 2]\n',
        encoding="utf-8",
    )
    return folder


def line_of(rng: random.Random) -> list[str]:
    """Draw a command line: a command, its arguments, and some of its options."""
    import typer

    from experiments.cli import main as cli

    program = rng.choice(["hwsim", "dcz"])
    group: Any = typer.main.get_command(cli.HWSIM if program == "hwsim" else cli.DCZ)
    name = rng.choice(sorted(group.commands.keys() - LONG))
    words = [program, name]
    odd = rng.choice([0.0, 0.0, 0.3])
    options = [one for one in group.commands[name].params if one.param_type_name == "option"]
    arguments = [one for one in group.commands[name].params if one.param_type_name == "argument"]
    words += [_word(one, rng, odd) for one in arguments if one.required or rng.random() < 0.8]
    required = [one for one in options if one.required and rng.random() < 0.95]
    for one in [*required, *rng.sample(options, min(len(options), rng.choice([0, 1, 1, 2, 3])))]:
        words.append(rng.choice(one.opts))
        if not one.is_flag and rng.random() < 0.97:
            words.append(_word(one, rng, odd))
    if rng.random() < 0.05:
        words.append(rng.choice(["--nonsense", "--help", "extra", "-"]))
    return words


def _word(parameter: Any, rng: random.Random, odd: float) -> str:
    """A word for a parameter: a sensible one, or with some probability any."""
    if rng.random() < odd:
        return rng.choice([*NUMBERS, *NAMES, *FILES])
    default = parameter.default
    usual = (str(default),) if isinstance(default, str) and default else ("1", "2", "8")
    return rng.choice(BY_NAME.get(parameter.name, usual))


class Call(NamedTuple):
    """A call of the API.

    Parameters
    ----------
    text : str
    function : callable
    arguments : tuple
    keywords : dict
    """

    text: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    def refusal(self) -> str | None:
        """Make the call: the sentence of a refusal, or None.

        Raises
        ------
        AssertionError
            If an array among the arguments is changed, or the refusal has no words.
        """
        from hwsim.errors import InputError

        before = _digest((self.arguments, self.keywords))
        refusal = None
        try:
            self.function(*self.arguments, **self.keywords)
        except InputError as error:
            refusal = str(error)
        assert refusal is None or refusal.strip(), f"{self.text}: a refusal without a word"
        assert _digest((self.arguments, self.keywords)) == before, f"{self.text}: an argument changed"
        return refusal


def _digest(value: Any) -> str:
    """Digest of all arrays among arguments."""
    found = hashlib.sha256()

    def add(one: Any) -> None:
        if isinstance(one, np.ndarray) and one.dtype != object:
            found.update(np.ascontiguousarray(one).tobytes())
        elif isinstance(one, dict):
            add(list(one.values()))
        elif isinstance(one, (list, tuple)):
            for each in one:
                add(each)

    add(value)
    return found.hexdigest()


def call_of(rng: random.Random, folder: Path) -> Call:
    """Draw a call: a function, and for each of its parameters a sensible value or an odd one."""

    def of(*sensible: Any) -> Any:
        return rng.choice(sensible if rng.random() < 0.7 else _odd(folder))

    name, function, arguments, keywords = rng.choice([*_machine(of, rng, folder), *_models(of, folder)])
    shown = [*map(_shown, arguments), *(f"{key}={_shown(value)}" for key, value in keywords.items())]
    return Call(f"{name}({', '.join(shown)})", function, arguments, keywords)


def _odd(folder: Path) -> list[Any]:
    """Values that hardly any parameter takes."""
    return [
        None, True, 0, -1, 1, 3, 2.5, float("nan"), float("inf"), 10**30, 10**5000, -(10**5000), [10**5000],
        "", "edge", "lenet5", "x\0y",
        b"", [], {}, ("edge",), ..., np.int64(3), np.float32(2), np.str_("edge"), np.bool_(True),
        np.zeros(3), np.zeros((2, 1, 28, 28), ">f4"), np.array("edge"), np.array([1, None], object),
        folder / "model.dcz", folder / "missing", folder, "a" * 5000, "caf\udce9",
    ]  # fmt: skip


Drawn = tuple[str, "Callable[..., Any]", tuple[Any, ...], dict[str, Any]]


def _machine(of: Callable[..., Any], rng: random.Random, folder: Path) -> list[Drawn]:
    """A call of each function of `hwsim`."""
    import hwsim

    chip, table = hwsim.load_chip("edge"), folder / "net.csv"
    key = rng.choice(["sram.capacity_B", "power.cap_W", "dram.type", "array.tiles", "x"])
    how = {"batch": of(1, 2, np.int32(3)), "engine": of("fast", "event"), "stage": of(None, None, "dense")}
    return [
        ("simulate", hwsim.simulate, (of("edge", chip), of("lenet300", table)), how),
        ("load_chip", hwsim.load_chip, (of("edge", str(folder / "chip.toml")),), {}),
        ("load_network", hwsim.load_network, (of("lenet5", table), of("dense", "huffman")), {}),
        ("EnergyTable.load", hwsim.EnergyTable.load, (of("45nm", "7nm"),), {}),
        ("Chip.replace", chip.replace, (), {key: of(65536, np.int64(65536), 0.3, "HBM2-2000")}),
    ]


def _models(of: Callable[..., Any], folder: Path) -> list[Drawn]:
    """A call of each function of `compress` that takes no minutes."""
    import compress

    file = folder / "model.dcz"
    model = compress.read(file)[0]
    images = np.zeros((2, 1, 28, 28), np.float32)
    output = of(folder / "out.npz", folder / "out.x")
    return [
        ("read", compress.read, (of(file, folder / "noise.dcz"),), {}),
        ("load_recipe", compress.load_recipe, (of("lenet300-demo", folder / "sweep.toml"),), {}),
        ("import_model", compress.import_model, (of(folder / "model.onnx", "x.gguf"),), {}),
        ("load_dataset", compress.load_dataset, (of(folder / "names.npz", folder),), {"validation": of(0)}),
        ("workload_of", compress.workload_of, (of(model, file),), {}),
        ("forward", model.to_network().forward, (of(images, images.astype(">f8")[::-1]),), {}),
        ("export", compress.export, (of(model, file), output), {}),
    ]


def _shown(value: Any) -> str:
    from hwsim.errors import shown

    return f"{shown(value):.40}" if not isinstance(value, np.ndarray) else f"array{value.shape}{value.dtype}"
