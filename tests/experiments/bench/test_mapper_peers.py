"""Other mappers get the layers that we map, and no more time than is said."""

import json
import sys
from math import prod

import pytest

from experiments.bench import mapper_peers
from experiments.bench.measuring import run_child
from experiments.bench.peers import zigzag_traffic
from hwsim.analysis.mappers import compared_layers, layer_of
from hwsim.errors import InputError


@pytest.mark.parametrize("found", compared_layers(), ids=lambda found: layer_of(found.row).name)
def test_loops_make_the_products_of_the_layer(found):
    problem, sizes = found.problem, mapper_peers._loops(found.row)["sizes"]
    assert prod(sizes.values()) == problem.groups * problem.m * problem.n * problem.k


def test_a_convolution_has_rows_and_columns_of_inputs():
    row = compared_layers()[0].row
    described = zigzag_traffic.layer(mapper_peers._loops(row))
    assert described["pr_loop_sizes"] == [14, 14]
    assert described["padding"] == [[1, 1], [1, 1]]
    assert described["loop_dims"] == list(mapper_peers._loops(row)["sizes"])


def test_a_process_is_stopped_at_its_limit():
    with pytest.raises(InputError, match=r"takes more than 0\.2 s"):
        run_child([sys.executable, "-c", "import time; time.sleep(60)"], limit_s=0.2)


def test_a_layer_beyond_the_limit_is_left_out_with_a_note(monkeypatch, capsys):
    monkeypatch.setattr(mapper_peers, "LIMIT_S", 0.001)
    assert mapper_peers.mapper_peers(sys.executable) == []
    assert "takes more than 0.001 s" in capsys.readouterr().err


def test_traffic_is_compared_at_single_buffers(monkeypatch):
    """A peer that moves every tensor of the first layer once, as we do."""

    class Done:
        output = json.dumps({"dram_bits": 5_521_408, "cpu_s": 6.6})

    monkeypatch.setattr(mapper_peers, "run_child", lambda *_, **__: Done)
    first = mapper_peers.mapper_peers("peer")[:3]
    assert first[1].value == pytest.approx(690.176)
    assert first[2].value == pytest.approx(1.0)
    assert first[2].verdict == "met"
