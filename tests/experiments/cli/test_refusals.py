"""What no input may say: layers, workloads and operators that cannot be are refused where they are made."""

from dataclasses import replace

import numpy as np
import pytest

from compress.nn.network import Network, Node
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.pricing import PriceList
from hwsim.workload.layer import Workload
from hwsim.workload.networks import load_network
from hwsim.workload.table import load_csv


@pytest.mark.parametrize(
    ("shape", "attrs", "message"),
    [
        ((3, 2, 2, 2), {}, "weights have shape"),
        ((1, 2, 2, 2), {"bias": 3}, "bias has shape"),
        ((1, 2, 1, 1), {"pads": (9, 9, 9, 9)}, "leave nothing"),
    ],
)
def test_transposed_convolutions_that_do_not_fit(shape, attrs, message):
    params = {"w": np.ones(shape, np.float32)}
    if "bias" in attrs:
        params["b"] = np.ones(attrs["bias"], np.float32)
    given = {key: value for key, value in attrs.items() if key != "bias"}
    node = Node("up", "conv_transpose", ("input",), {"stride": (1, 1), **given}, params=tuple(params))
    with pytest.raises(InputError, match=message):
        Network("net", (1, 4, 4), (node,), params).shapes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixels": 0}, "pixels is 0"),
        ({"weight_density": 1.5}, "weight_density is 1.5"),
        ({"inputs": (5,)}, "input"),
        ({"like": 7}, "like|same"),
    ],
)
def test_layers_that_cannot_be(change, message):
    workload = load_network("lenet5", "dense")
    with pytest.raises(InputError, match=message):
        replace(workload, layers=(replace(workload.layers[0], **change), *workload.layers[1:]))


def test_a_workload_without_layers():
    with pytest.raises(InputError, match="no layers"):
        Workload("empty", "dense", (), "nowhere")


@pytest.mark.parametrize("component", ["sram", "register", "vector", "noc", "clock", "dram", "decoder"])
def test_what_a_component_cannot_do_has_no_price(component):
    with pytest.raises(InputError, match=r"has no action 'jump', expected '"):
        PriceList(load_chip("edge"))[component, "jump"]


def test_what_is_no_component_has_no_price():
    with pytest.raises(InputError, match="component 'abacus', expected one of dram"):
        PriceList(load_chip("edge"))["abacus", "jump"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,conv,3,8,8,4,3,,", "groups"),
        ("a,conv,3,8,8,4,9,,", "does not fit input"),
        ("a,conv,,8,8,4,3,,", "which its inputs do not tell"),
        ("a,conv,4,8,8,4,3,1,\nb,add,,,,,,,a", "at least two inputs"),
    ],
)
def test_rows_of_layers_that_do_not_fit(tmp_path, rows, message):
    path = tmp_path / "net.csv"
    header = "name,kind,channels,height,width,filters,kernel,groups,inputs"
    text = rows.replace("3,,", "3,2,", 1) if message == "groups" else rows
    path.write_text(f"{header}\n{text}\n", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_csv(path)
