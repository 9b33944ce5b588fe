"""Shipped networks against published counts, published stages against published sizes, hostile tables."""

import re
from collections import Counter
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwsim.csvfile import read_rows
from hwsim.errors import InputError
from hwsim.workload import networks
from hwsim.workload.kinds import KINDS
from hwsim.workload.layer import Workload, fc
from hwsim.workload.networks import STAGES, load_csv, load_network, network_names, network_stages
from hwsim.workload.storage import evenly, gap_entries, stored_entries
from hwsim.workload.table import OPTIONAL, REQUIRED


def parameters(workload):
    """Weights and biases, and the parameters of normalisations."""
    own = [layer for layer in workload.layers if layer.like is None]
    weights = sum(layer.weight_count for layer in own)
    return weights + sum(layer.weights.side_bits // 32 for layer in own if layer.weights)


# With batch normalisation folded, a convolution keeps one of its two parameters per channel; the
# printed counts of torchvision (Keras for MobileNet v1: four) include all of them.
@pytest.mark.parametrize(
    ("name", "count", "batch_norm_channels", "unfolded"),
    [
        ("lenet300", 266_610, 0, 0),  # 784 x 300 + 300 x 100 + 100 x 10 and biases
        ("lenet5", 431_080, 0, 0),  # Caffe's MNIST example
        ("alexnet", 60_965_224, 0, 0),  # Caffe's reference model
        ("vgg16", 138_357_544, 0, 0),  # torchvision vgg16
        ("squeezenet1_0", 1_248_424, 0, 0),  # torchvision squeezenet1_0
        ("squeezenet1_1", 1_235_496, 0, 0),  # torchvision squeezenet1_1
        ("resnet18", 11_689_512, 4_800, 1),  # torchvision resnet18
        ("resnet50", 25_557_032, 26_560, 1),  # torchvision resnet50
        ("resnet1202", 19_421_274, 44_816, 1),  # 19.4 million: He et al. 2016, Table 6
        # Chen et al. 2018, Table 1, print 0.22 million; their published code, and ours, have this many
        ("neural_ode", 208_266, 0, 0),
        ("mobilenet_v1", 4_253_864, 10_944, 3),  # Keras MobileNet
        ("mobilenet_v2", 3_504_872, 17_056, 1),  # torchvision mobilenet_v2
        ("bert_layer", 7_087_872, 0, 0),  # 4 x 768 (768 + 1) + 768 x 3072 x 2 + 3072 + 768 + 4 x 768
        ("bert_base", 85_054_464, 0, 0),  # encoder of bert-base-uncased
        ("llama_layer_decode", 202_383_360, 0, 0),  # 4 x 4096^2 + 3 x 4096 x 11008 + 2 x 4096
        ("llama_decode", 6_476_267_520, 0, 0),  # 6,738,415,616 less embedding, head and last norm
    ],
)
def test_parameters_are_the_published_ones(name, count, batch_norm_channels, unfolded):
    assert parameters(load_network(name)) + unfolded * batch_norm_channels == count


def test_the_language_model_has_the_published_66_million_parameters():
    """Zaremba et al. 2014: two layers of 1,500, a vocabulary of 10,000, with an embedding of 1,500."""
    assert parameters(load_network("lstm_2x1500")) + 10_000 * 1_500 == pytest.approx(66e6, rel=0.005)


@pytest.mark.parametrize(
    ("name", "millions", "tolerance"),
    [
        ("lenet300", 0.2662, 1e-9),
        ("lenet5", 2.293, 1e-9),
        ("alexnet", 724, 1e-3),  # Sze et al., Proc. IEEE 2017, Table II: 666M conv + 58.6M fc
        ("vgg16", 15_470, 1e-3),  # the same table: 15.3G conv + 124M fc
        ("squeezenet1_0", 860, 2e-3),  # its authors: 1.72 GFLOPs an image
        ("squeezenet1_1", 349, 1e-3),  # torchvision: 0.35 GFLOPS
        ("resnet18", 1_814, 1e-3),  # torchvision: 1.81
        ("resnet50", 4_089, 1e-3),  # torchvision: 4.09
        # 400 layers of 16, 32, 64 filters each, less half of the first and all but 1 / 64 of the ends
        ("resnet1202", 2_829.238_912, 1e-9),
        # three convolutions, sixteen times two of 65 x 9 weights for each of 64 filters on 6 x 6, ten classes
        ("neural_ode", (676 * 9 * 64 + (169 + 36) * 1024 * 64 + 32 * 36 * 585 * 64 + 640) / 1e6, 1e-12),
        ("mobilenet_v1", 569, 1e-3),  # Howard et al. 2017, Table 8
        ("mobilenet_v2", 300, 3e-3),  # Sandler et al. 2018, Table 4
        ("lstm_2x1500", 51, 1e-9),
        # 12 x (128 x 7,077,888 weights + 2 x 128 x 128 x 768 of attention)
        ("bert_base", 11_173.625_856, 1e-9),
        # 202,375,168 weights + 2 x 2048 x 4096 of attention
        ("llama_layer_decode", 219.152_384, 1e-9),
    ],
)
def test_macs_are_the_published_ones(name, millions, tolerance):
    assert load_network(name).macs == pytest.approx(millions * 1e6, rel=tolerance)


@pytest.mark.parametrize("name", network_names())
def test_no_layer_is_free(name):
    for layer in load_network(name).layers:
        assert layer.macs > 0 or layer.vector_ops > 0
        assert (layer.weights is not None) >= (layer.kind in ("conv", "fc"))


def test_shapes_of_alexnet():
    layers = {layer.name: layer for layer in load_network("alexnet").layers}
    assert [layers[f"conv{i}"].out_hw for i in range(1, 6)] == [
        (55, 55),
        (27, 27),
        (13, 13),
        (13, 13),
        (13, 13),
    ]
    assert layers["conv2"].depth == 48 * 25
    assert layers["conv2"].groups == 2
    assert layers["fc6"].depth == 9216
    assert layers["pool5"].vector_ops == 256 * 6 * 6 * 9


def test_attention_reads_the_cache_from_memory_and_writes_the_new_token_out():
    layers = load_network("llama_layer_decode").layers
    by_name = {layer.name: layer for layer in layers}
    scores = by_name["scores"]
    assert (scores.pixels, scores.filters, scores.depth, scores.groups) == (1, 2048, 128, 32)
    assert scores.input_elements == 4096 + 2048 * 4096
    assert -1 in scores.inputs
    consumed = {source for layer in layers for source in layer.inputs}
    assert {layers[i].name for i in range(len(layers)) if i not in consumed} == {"key_rope", "value", "add2"}


def test_sixteen_evaluations_store_their_weights_once():
    workload = load_network("neural_ode")
    convs = [layer for layer in workload.layers if layer.depth == 65 * 9]
    assert len(convs) == 32
    owners = [layer for layer in convs if layer.like is None]
    assert [layer.name for layer in owners] == ["0.k1_conv1", "0.k1_conv2"]
    assert {workload.layers[layer.like].name for layer in convs if layer.like is not None} == {
        "0.k1_conv1",
        "0.k1_conv2",
    }
    alone = workload.only([layer.name for layer in convs[4:]])
    assert alone.weight_bits == 2 * 32 * 64 * (585 + 1)


def test_a_repeated_block_feeds_the_next_one():
    layers = load_network("bert_base").layers
    names = [layer.name for layer in layers]
    second = layers[names.index("1.query")]
    assert names[second.inputs[0]] == "0.norm2"
    assert names[layers[names.index("1.add1")].inputs[1]] == "0.norm2"


@pytest.mark.parametrize(
    ("name", "stage", "megabytes", "tolerance"),
    [
        ("alexnet", "dense", 240, 0.02),  # Deep Compression, Table 1
        ("alexnet", "shared", 9.0, 0.15),  # Table 4: 3.7% of 240 MB is 8.9 MB
        ("alexnet", "huffman", 6.9, 0.15),  # Table 1
        ("vgg16", "dense", 552, 0.01),
        ("vgg16", "huffman", 11.3, 0.15),
        ("lenet300", "huffman", 0.027, 0.15),
        ("squeezenet1_0", "shared", 0.676, 0.05),  # the authors' file, 675,763 bytes with larger codebooks
    ],
)
def test_published_sizes_come_back(name, stage, megabytes, tolerance):
    assert load_network(name, stage).weight_bits / 8e6 == pytest.approx(megabytes, rel=tolerance)


def test_published_statistics_are_of_layers_that_there_are():
    tables = {
        row.text("published"): name for name, row in networks._index().items() if row.cells["published"]
    }
    rows = read_rows(resources.files("hwsim") / "data" / "published_layers.csv", networks.STATISTICS)
    asked = Counter(row.text("network") for row in rows)
    assert set(asked) <= set(tables)
    for network, name in tables.items():
        weighted = [layer.name for layer in load_network(name).layers if layer.weight_count]
        assert sorted(networks._statistics(name)) == sorted(weighted)
        assert asked[network] == len(weighted)


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "lenet300", "lenet5", "squeezenet1_0"])
def test_every_stage_takes_less_than_the_one_before(name):
    sizes = [load_network(name, stage).weight_bits for stage in ("dense", "pruned", "shared", "huffman")]
    assert sizes == sorted(sizes, reverse=True)
    assert load_network(name).provenance == "published statistics, no weights"


def test_stages_differ_in_bits_and_zeros_but_not_in_arithmetic():
    for stage in STAGES:
        layer = next(layer for layer in load_network("alexnet", stage).layers if layer.name == "fc6")
        assert layer.arithmetic == ("int8" if stage == "int8" else "fp32")
        assert layer.weight_density == (1.0 if stage in ("dense", "int8") else 0.09)
        assert layer.input_density == 0.351
        assert layer.weights is not None
        assert layer.weights.format == stage
        assert layer.weights.symbols == (2 * layer.weights.entries if stage == "huffman" else 0)


def test_int8_weights_are_a_byte_with_a_scale_and_a_bias_a_filter():
    layer = load_network("lenet300", "int8").layers[0]
    assert layer.weights is not None
    assert layer.weights.payload_bits == 8 * 784 * 300
    assert layer.weights.side_bits == 300 * 64


@pytest.mark.parametrize(
    ("stage", "bits", "side"),
    [
        ("fp64", 64, 32),
        ("tf32", 32, 32),
        ("fp16", 16, 32),
        ("bf16", 16, 32),
        ("fp8", 8, 32),
        ("int16", 16, 32),
        ("int4", 4, 64),
    ],
)
def test_other_precisions_are_stored_dense(stage, bits, side):
    layer = load_network("resnet18", stage).layers[0]
    assert layer.weights is not None
    assert (layer.arithmetic, layer.weights.format) == (stage, stage)
    assert layer.weights.payload_bits == bits * 64 * 147
    assert layer.weights.side_bits == side * 64


def test_one_compressed_layer_worked_by_hand():
    """400 weights, half of them zero, 2-bit gaps: q = 0.5^4, 200 + 200 / 15 = 213 entries."""
    stored = stored_entries("huffman", 400, 10, 0.5, 3.5, 2, codebook_bits=4, coded_gap_bits=1.5)
    assert (stored.nonzeros, stored.entries) == (200, 213)
    assert stored.payload_bits == 213 * 5
    assert stored.symbols == 426
    assert stored.side_bits == 10 * 64 + 16 * 32 + (16 + 4) * 8
    assert len(stored.segment_bits) == 10


@given(st.floats(0.02, 0.9), st.integers(1, 5))
def test_the_filler_formula_agrees_with_counting(density, bits):
    """A run of zeros needs one filler for every 2**bits of them."""
    mask = np.random.default_rng(7).random(200_000) < density
    runs = np.diff(np.flatnonzero(mask), prepend=-1) - 1
    counted = len(runs) + int((runs >> bits).sum())
    expected = gap_entries(len(runs), len(runs) / len(mask), bits)
    assert expected == pytest.approx(counted, rel=0.03)


def test_all_zero_weights_need_no_entries():
    assert gap_entries(0, 0.0, 4) == 0
    assert stored_entries("pruned", 100, 4, 0.0, 32, 4).payload_bits == 0


def table(tmp_path, text):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    return path


def test_a_table_of_layers(tmp_path):
    path = table(
        tmp_path,
        "name,kind,channels,height,width,filters,kernel,stride,pad,weight_density,value_bits,index_bits\n"
        "# a comment\n"
        "c,conv,3,8,8,4,1x3,1,0x1,0.5,8,4\n"
        "r,relu,,,,,,,,,,\n"
        "p,maxpool,,,,,2,2,,,,\n"
        "f,fc,64,1,1,10,,,,,,\n",
    )
    conv, relu, pool, full = load_csv(path).layers
    assert (conv.out_hw, conv.depth, conv.pixels) == ((8, 8), 9, 64)
    assert conv.weights is not None
    assert conv.weights.payload_bits == conv.weights.entries * 12
    assert relu.vector_ops == 256
    assert pool.output_elements == 64
    assert full.inputs == (2,)


BLOCKS = """name,kind,inputs,channels,filters,like,times
first,fc,,8,8,,
wide,fc,first,,16,wide,3
narrow,fc,,,8,,3
sum,add,narrow first,,,,3
last,fc,sum first,,16,,
tail,fc,,,8,narrow,
"""


def test_a_block_comes_so_many_times(tmp_path):
    """Each copy reads the sum of the copy before; all use one wide layer, and narrow ones of their own."""
    layers = load_csv(table(tmp_path, BLOCKS)).layers
    names = [layer.name for layer in layers]
    copies = [f"{copy}.{name}" for copy in range(3) for name in ("wide", "narrow", "sum")]
    assert names == ["first", *copies, "last", "tail"]
    sources = {layer.name: [names[i] for i in layer.inputs] for layer in layers[1:]}
    assert sources["0.wide"] == ["first"]
    assert sources["1.wide"] == ["0.sum"]
    assert sources["2.sum"] == ["2.narrow", "1.sum"]
    assert sources["last"] == ["2.sum", "first"]
    assert [layer.like for layer in layers] == [None, None, None, None, 1, None, None, 1, None, None, None, 2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BLOCKS.replace(",,8,narrow", ",,4,narrow"), [":7", "like", "'narrow'", "stores as much as tail"]),
        (BLOCKS.replace("sum first", "narrow first"), [":6", "inputs", "'narrow first'"]),
        (BLOCKS.replace("wide,3", "none,3"), [":3", "like", "'none'"]),
        (BLOCKS.replace("first,,,,3", "first,,,first,3"), [":5", "like", "add"]),
        (BLOCKS.replace(",3\n", ",30000\n"), [":3", "times", "8192"]),
        (BLOCKS.replace(",3\n", ",0\n"), [":3", "times", "'0'"]),
    ],
)
def test_a_bad_block_is_refused(tmp_path, text, words):
    with pytest.raises(InputError) as found:
        load_csv(table(tmp_path, text))
    for word in words:
        assert word in str(found.value)


@pytest.mark.parametrize(
    ("rows", "line", "words"),
    [
        ("a,conv,,3,0,8,4,3", 2, ["height", "'0'", "at least 1"]),
        ("a,conv,,3,8,8,4,9", 2, ["kernel", "does not fit"]),
        ("a,conv,,3,8,8,0,3", 2, ["filters", "'0'"]),
        ("a,conv,,,,,4,3", 2, ["channels", "do not tell"]),
        ("a,blur,,3,8,8,,", 2, ["kind", "'blur'", "one of"]),
        ("a,conv,,3,8,8,4,3\nb,conv,,5,6,6,4,3", 3, ["5 x 6 x 6", "4 x 6 x 6"]),
        ("a,conv,,3,8,8,4,3\nb,fc,,100,1,1,4,", 3, ["100", "4 x 6 x 6"]),
        ("a,conv,,3,8,8,4,3\nb,add,a input,4,6,6,,\nc,concat,a zz,,,,,", 4, ["inputs", "'a zz'"]),
        ("a,conv,,3,8,8,4,3\na,relu,,,,,,", 3, ["name", "not used before"]),
        ("a,relu,,3,8,8,4,", 2, ["filters", "nothing for a relu layer"]),
        ("a,conv,,3,8,8,4,-1", 2, ["kernel", "'-1'"]),
        ("a,conv,,3,8,8,4,3x3x3", 2, ["kernel", "'3x3x3'"]),
        ("a,conv,,3,8,8,99999999999999999999,3", 2, ["filters"]),
        ("a,conv,,3,8,8,4", 2, ["7 cells", "8"]),
        ('a,conv,"x,3,8,8,4,3', 2, ["CSV"]),
        ("a,matmul,,8,4,1,8,", 2, ["two inputs"]),
        ("", None, ["no layers"]),
    ],
)
def test_a_bad_table_is_refused_in_one_sentence(tmp_path, rows, line, words):
    path = table(tmp_path, f"name,kind,inputs,channels,height,width,filters,kernel\n{rows}\n")
    with pytest.raises(InputError) as found:
        load_csv(path)
    message = str(found.value)
    assert f"mine.csv:{line}" in message if line else "mine.csv" in message
    for word in words:
        assert word in message
    assert "\n" not in message


WORDS = [
    "0",
    "1",
    "3",
    "8",
    "64",
    "3x5",
    "2147483648",
    "16777216",
    "-2",
    "1e9",
    "0.5",
    "nan",
    "input",
    "memory",
    "a b",
    "a memory",
    "no",
    "int8",
    '"',
    "ü",
]


@st.composite
def layer_tables(draw):
    """A chain of layers of any kind, with a few cells replaced by anything."""
    lines = []
    for name in "abc"[: draw(st.integers(1, 3))]:
        kind = draw(st.sampled_from(sorted(KINDS)))
        cells = {"name": name, "kind": kind} | dict.fromkeys(KINDS[kind] & {"filters", "kernel"}, "2")
        if name == "a":
            cells |= dict.fromkeys(("channels", "height", "width"), "8")
        if kind in ("matmul", "add", "multiply", "axpy"):
            cells["inputs"] = "input memory" if name == "a" else "a memory"
        for column in draw(st.lists(st.sampled_from(OPTIONAL), max_size=2)):
            cells[column] = draw(st.sampled_from(WORDS))
        lines.append(",".join(cells.get(column, "") for column in (*REQUIRED, *OPTIONAL)))
    return "\n".join((",".join((*REQUIRED, *OPTIONAL)), *lines))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=layer_tables())
def test_any_table_loads_or_is_refused(tmp_path, text):
    """Whatever is in the cells: a workload of sound layers, or one sentence that names the line."""
    problem = ""
    try:
        layers = load_csv(table(tmp_path, text)).layers
    except InputError as error:
        layers, problem = (), str(error)
    assert layers or re.fullmatch(r".*mine\.csv:\d: .*", problem)
    assert all(layer.output_elements >= 1 and (layer.macs or layer.vector_ops) for layer in layers)


@pytest.mark.parametrize("size", ["2147483648", "16777216"])
def test_tensors_too_large_to_count_are_refused(tmp_path, size):
    path = table(tmp_path, f"name,kind,channels,filters\nf,fc,{size},{size}\n")
    with pytest.raises(InputError, match=r"mine.csv:2: column filters: .* at most 17592186044416 elements"):
        load_csv(path)


@pytest.mark.parametrize(
    ("rows", "line", "words"),
    [
        (
            "f,fc,1000000,1,1000000,,10000000",
            2,
            "column value_bits: found '10000000', expected a whole number, 1 to 64",
        ),
        (
            "f,maxpool,1000,4000000,,2000000x1,",
            2,
            "with layer f the network has 4000002000000000 operations",
        ),
        (
            "e,fc,1000000,1,1000000,,\nf,fc,1000000,1,1000000,,64",
            3,
            "with layer f the network has .* stored bits",
        ),
    ],
)
def test_more_than_can_be_counted_is_refused(tmp_path, rows, line, words):
    path = table(tmp_path, f"name,kind,channels,height,filters,kernel,value_bits\n{rows}\n")
    with pytest.raises(InputError, match=f"mine.csv:{line}: {words}"):
        load_csv(path)


def test_bits_are_dealt_out_evenly_without_their_product():
    shares = evenly((1 << 60) + 3, 1 << 16)
    assert int(shares.sum()) == (1 << 60) + 3
    assert set(shares.tolist()) == {1 << 44, (1 << 44) + 1}


@pytest.mark.parametrize("density", ["1.5", "-0.1", "nan", "half"])
def test_a_density_outside_0_to_1_is_refused(tmp_path, density):
    path = table(tmp_path, f"name,kind,channels,filters,weight_density\nf,fc,10,10,{density}\n")
    with pytest.raises(InputError, match="column weight_density: found '" + density.replace(".", r"\.")):
        load_csv(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"name,kind,colour\na,relu,red\n", "colour"),
        (b"name\na\n", "kind"),
        (b"name,kind,kind\na,relu,relu\n", "twice"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, words):
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        load_csv(path)


def test_unknown_names_say_what_there_is():
    with pytest.raises(InputError, match="alexnet"):
        load_network("alexnett")
    with pytest.raises(InputError, match="dense, int8"):
        load_network("resnet18", "huffman")
    with pytest.raises(InputError, match="cannot be read"):
        load_csv("/nonexistent/layers.csv")
    assert network_stages("alexnet") == STAGES


def test_only_what_takes_a_table_says_so():
    with pytest.raises(InputError, match="no network 'nonet', expected one of lenet300") as refused:
        network_stages("nonet")
    assert "csv" not in str(refused.value)
    with pytest.raises(InputError, match=r"no network .nonet., expected one of lenet300.* or a \.csv table"):
        load_network("nonet")


@pytest.mark.parametrize("like", [-1, 1, 2])
def test_weights_of_no_earlier_layer_are_refused(like):
    layers = (fc("a", 4, 4), replace(fc("b", 4, 4), inputs=(0,), like=like))
    with pytest.raises(InputError, match=f"layer b: like {like} must name an earlier layer"):
        Workload("two", "dense", layers, "by hand")
