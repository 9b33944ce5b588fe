"""A network that a reader drops on the page: its shapes are read, and priced close to `hwsim run`."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest
from page_support import needs_chromium

from experiments.cli import main as cli
from experiments.page.closed_form import CHIPS
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

onnx = pytest.importorskip("onnx")

CLOSE = 0.10
"""How far the closed form may be from the simulator."""

pytestmark = [pytest.mark.xdist_group("page"), needs_chromium]


class Graph:
    """An ONNX graph that grows node by node."""

    def __init__(self, *shape: int) -> None:
        self.nodes, self.weights, self.shape = [], [], shape
        self.rng = np.random.default_rng(0)

    def node(self, kind, *inputs, **attributes):
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, *shape):
        name = f"w{len(self.weights)}"
        self.weights.append(onnx.numpy_helper.from_array(self.rng.random(shape, np.float32), name))
        return name

    def conv(self, source, channels, filters, kernel, stride):
        weights = self.constant(filters, channels, kernel, kernel)
        pads = [kernel // 2] * 4
        made = self.node("Conv", source, weights, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)
        return self.node("BatchNormalization", made, *(self.constant(filters) for _ in range(4)))

    def save(self, path, output, outputs):
        tensor = onnx.helper.make_tensor_value_info
        inputs = [tensor("x", onnx.TensorProto.FLOAT, ["batch", *self.shape[1:]])]
        graph = onnx.helper.make_graph(
            self.nodes, "net", inputs, [tensor(output, onnx.TensorProto.FLOAT, [1, outputs])], self.weights
        )
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), path)


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory):
    """ResNet-18 as frameworks export it: with normalisation, and a batch that has only a name."""
    graph = Graph(1, 3, 224, 224)
    at = graph.node("Relu", graph.conv("x", 3, 64, 7, 2))
    at = graph.node("MaxPool", at, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for filters in (64, 128, 256, 512):
        for block in range(2):
            stride = 2 if filters > 64 and block == 0 else 1
            made = graph.node("Relu", graph.conv(at, channels, filters, 3, stride))
            made = graph.conv(made, filters, filters, 3, 1)
            short = at if channels == filters else graph.conv(at, channels, filters, 1, stride)
            at = graph.node("Relu", graph.node("Add", made, short))
            channels = filters
    at = graph.node("Flatten", graph.node("GlobalAveragePool", at), axis=1)
    at = graph.node("Gemm", at, graph.constant(1000, 512), graph.constant(1000), transB=1)
    path = tmp_path_factory.mktemp("onnx") / "resnet18.onnx"
    graph.save(path, at, 1000)
    return path


def dropped(reader, path):
    """Hand a file to the page, and wait until it is priced or refused."""
    reader.open("yours")
    reader.tab.set_input_files("#yours-file", path)
    reader.tab.wait_for_function(
        """name => document.querySelector('#yours-say').textContent.startsWith(name)
            || !document.querySelector('#yours-error').hidden""",
        arg=path.name,
    )


def choose(reader, chip):
    place = CHIPS.index(chip)
    reader.tab.click(f"label[for='yours-chip-choice-{place}']")
    reader.tab.wait_for_function(
        "chip => document.querySelector('#yours-command code').textContent.includes(` ${chip} `)", arg=chip
    )
    return float(reader.tab.get_attribute("#yours", "data-joules"))


def test_a_dropped_resnet18_is_priced_as_the_simulator_does(reader, resnet18, capsys):
    dropped(reader, resnet18)
    weights = simulate(load_chip("edge"), load_network("resnet18")).workload
    count = sum(layer.weight_count for layer in weights.layers)
    assert reader.tab.locator("#yours-facts dd").first.inner_text() == f"{count / 1e6:.1f} M"
    for chip in CHIPS:
        told = simulate(load_chip(chip), load_network("resnet18")).energy_per_inference_J
        assert choose(reader, chip) == pytest.approx(told, rel=CLOSE)
    words = reader.tab.inner_text("#yours-command code").split()
    assert words == ["hwsim", "run", "reference_250w", "resnet18.onnx"]
    assert cli.run(cli.HWSIM, ["run", words[2], str(resnet18), "--json"]) == 0
    (exact,) = json.loads(capsys.readouterr().out)
    assert choose(reader, "reference_250w") == pytest.approx(exact["energy_J"], rel=CLOSE)


def test_the_layers_of_a_dropped_network_fit_a_telephone(reader, resnet18):
    reader.look(390)
    dropped(reader, resnet18)
    assert reader.tab.locator("#yours table tbody tr").count() == 10
    assert reader.tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_page_says_how_far_it_is_off(reader):
    reader.open("yours")
    reader.tab.wait_for_function("document.querySelector('#yours-accuracy').textContent")
    said = reader.tab.inner_text("#yours-accuracy")
    assert "approximation" in said
    off = reader.tab.evaluate(
        """(() => {
            const { chips, networks } = hwsim.shapes.closed_form;
            return Object.keys(chips).map((chip) => Object.values(networks).map(({ layers, simulated }) =>
                Math.abs(hwsim.closedForm(chips[chip], layers).total / simulated[chip].energy_J - 1)));
        })()"""
    )
    assert max(map(max, off)) < CLOSE
    worst = max(off[CHIPS.index("reference_250w")])
    assert f"within {'<1' if worst < 0.01 else round(100 * worst)}%" in said
    assert "The simulator finds" in reader.tab.inner_text("#yours-say")


@pytest.mark.parametrize("network", ["lenet5", "squeezenet1_0"])
def test_a_table_of_layers_gives_the_layers_of_the_simulator(reader, network, tmp_path):
    table = resources.files("hwsim") / "data" / "networks" / f"{network}.csv"
    path = tmp_path / f"{network}.csv"
    path.write_text(table.read_text(encoding="utf-8"), encoding="utf-8")
    dropped(reader, path)
    found = {chip: choose(reader, chip) for chip in CHIPS}
    reader.tab.select_option("#yours-ours", network)
    reader.tab.wait_for_function("document.querySelector('#yours-say').textContent.includes('simulator')")
    for chip, joules in found.items():
        assert choose(reader, chip) == pytest.approx(joules, rel=1e-9)


def test_the_table_that_is_typed(reader):
    reader.open("yours")
    reader.tab.click("text=Or type a table")
    reader.tab.fill("#yours-table", "name,kind,channels,filters\nfc,fc,1000,1000\n")
    reader.tab.click("#yours-price")
    reader.tab.wait_for_function("document.querySelector('#yours-say').textContent.startsWith('layers.csv')")
    assert reader.tab.locator("#yours-facts dd").all_inner_texts()[:3] == ["1 M", "4 MB", "1 M"]
    assert reader.tab.inner_text("#yours-command code") == "hwsim run reference_250w layers.csv"


def test_a_file_that_is_dropped(reader):
    reader.open("yours")
    reader.tab.evaluate(
        """() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(["name,kind,channels,filters\\nfc,fc,100,10\\n"], "mine.csv"));
            const zone = document.querySelector("#drop-zone");
            zone.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        }"""
    )
    reader.tab.wait_for_function("document.querySelector('#yours-say').textContent.startsWith('mine.csv')")
    assert reader.tab.locator("#yours-facts dd").first.inner_text() == "1 k"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cut.onnx", b"\x08\x08\x3a\xff\x7f", "a field is longer than the file"),
        ("text.onnx", b"not a model at all", "not an ONNX file"),
        ("empty.onnx", b"", "it holds no graph"),
        ("bad.csv", b"layer,size\na,1\n", "the first line of a table names its columns"),
        (
            "odd.csv",
            b"name,kind,channels\na,magic,3\n",
            "row a: kind magic is not priced here, expected conv",
        ),
        ("early.csv", b"name,kind,inputs,channels,filters\na,fc,b,3,4\n", "row a: input b is no earlier row"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(reader, tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    dropped(reader, tmp_path / name)
    said = reader.tab.inner_text("#yours-error")
    assert said.startswith(f"{name} cannot be priced here: ")
    assert reason in said
