"""Tables of layers as people write them: sequences, joins, names of any kind, layers of any size."""

import pytest

from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.table import load_csv

EDGE = load_chip("edge")
HEADER = "name,kind,inputs,channels,height,width,filters,kernel,stride,pad,bias,arithmetic,times"


def table(folder, *rows):
    path = folder / "mine.csv"
    path.write_text("\n".join((HEADER, *(row + "," * (HEADER.count(",") - row.count(",")) for row in rows))))
    return path


def layers_of(folder, *rows):
    return load_csv(table(folder, *rows)).layers


def test_an_empty_width_is_a_sequence(tmp_path):
    """Kernel 5 with padding 2 along a length of 100: 12 x 100 x 8 x 5 MACs; the next layer is 1-D, too."""
    rows = ("c,conv,,8,100,,12,5,1,2,no", "p,maxpool,,,,,,2,2", "d,conv,,,,,6,3,1,1,no")
    conv, pool, second = layers_of(tmp_path, *rows)
    assert (conv.macs, conv.weight_count, conv.out_hw) == (48_000, 480, (100, 1))
    assert (pool.output_elements, pool.vector_ops) == (12 * 50, 12 * 50 * 2)
    assert (second.kernel, second.pad, second.macs) == ((3, 1), (1, 0), 6 * 50 * 12 * 3)


def test_a_width_that_is_given_is_an_image(tmp_path):
    (conv,) = layers_of(tmp_path, "c,conv,,8,100,1,12,5,1,2,no")
    assert (conv.kernel, conv.weight_count) == ((5, 5), 12 * 8 * 25)
    (spelled,) = layers_of(tmp_path, "c,conv,,8,100,,12,5x3,1,2x1,no")
    assert (spelled.kernel, spelled.pad) == ((5, 3), (2, 1))


@pytest.mark.parametrize("inputs", ["a b", "b a"])
def test_a_join_of_unlike_images_names_both_sizes(tmp_path, inputs):
    rows = ("a,conv,input,3,8,8,16,3", "b,conv,input,3,8,8,16,1", f"c,concat,{inputs}")
    with pytest.raises(InputError, match=r"mine.csv:4: concat cannot join 16 x \d x \d and") as error:
        load_csv(table(tmp_path, *rows))
    assert "16 x 6 x 6" in str(error.value)
    assert "16 x 8 x 8" in str(error.value)


@pytest.mark.parametrize("inputs", ["a input", "input a"])
def test_a_join_with_what_comes_from_outside_is_checked_too(tmp_path, inputs):
    first = "a,conv,input,3,8,8,16,3"
    assert layers_of(tmp_path, first, f"c,concat,{inputs},20,6,6")[1].output_elements == 20 * 36
    with pytest.raises(InputError, match="concat cannot join 20 x 9 x 9 and 16 x 6 x 6"):
        load_csv(table(tmp_path, first, f"c,concat,{inputs},20,9,9"))
    with pytest.raises(InputError, match="concat cannot join 16 x 6 x 6 and 16 x 6 x 6"):
        load_csv(table(tmp_path, first, f"c,concat,{inputs},16,6,6"))


def test_a_join_by_height_is_said_in_its_row(tmp_path):
    """A class token before 196 others."""
    rows = ("a,conv,input,3,196,1,16,1", "t,conv,input,3,1,1,16,1")
    assert layers_of(tmp_path, *rows, "c,concat,t a,16,197,1")[2].output_elements == 16 * 197
    with pytest.raises(InputError, match="concat cannot join 16 x 1 x 1 and 16 x 196 x 1"):
        load_csv(table(tmp_path, *rows, "c,concat,t a"))


@pytest.mark.parametrize("kind", ["add", "multiply", "axpy"])
@pytest.mark.parametrize("inputs", ["a b", "b a"])
def test_element_wise_inputs_have_one_shape_not_one_number_of_elements(tmp_path, kind, inputs):
    rows = ("a,conv,input,3,4,9,16,1", "b,conv,input,3,6,6,16,1", f"c,{kind},{inputs}")
    with pytest.raises(InputError, match=rf"{kind} expects inputs of equal size") as error:
        load_csv(table(tmp_path, *rows))
    assert "16 x 4 x 9" in str(error.value)
    assert "16 x 6 x 6" in str(error.value)


@pytest.mark.parametrize("inputs", ["a input", "input a"])
def test_one_known_input_tells_the_size_of_the_other(tmp_path, inputs):
    (_, add) = layers_of(tmp_path, "a,conv,input,3,8,8,16,3", f"c,add,{inputs}")
    assert add.output_elements == 16 * 36


def test_a_name_changes_no_joules(tmp_path):
    """Not even that of what is static."""
    energies = [
        simulate(EDGE, load_csv(table(tmp_path, f"{name},conv,,3,32,32,16,3", "b,conv,,,,,16,3"))).layers[
            "energy_J"
        ]
        for name in ("a", "-")
    ]
    assert energies[0].tolist() == energies[1].tolist()


def test_two_convolutions_in_fp32_by_hand(tmp_path):
    """Products alone cost more than everything with int8: 900 windows of 27 and 784 of 144, 16 filters."""
    rows = "-,conv,,3,32,32,16,3,,,no,{0}", "b,conv,,,,,16,3,,,no,{0}"
    wide, narrow = (
        simulate(EDGE, load_csv(table(tmp_path, *(row.format(arithmetic) for row in rows))))
        for arithmetic in ("fp32", "int8")
    )
    macs = 16 * (30 * 30 * 27 + 28 * 28 * 144)
    joules = wide.energy_by("component")
    assert macs == 2_195_136
    assert joules["mac"] == pytest.approx(macs * (3.7 + 0.9) * 1e-12)
    assert joules["dram"] == pytest.approx(32 * (3 * 32 * 32 + 16 * 28 * 28) * 20e-12)
    assert joules["static"] == pytest.approx(EDGE.static_W * wide.period_s)
    assert wide.energy_per_inference_J == pytest.approx(24.1e-6, rel=0.01)
    assert narrow.energy_per_inference_J < joules["mac"]


BLOCK, PLAIN = "a,fc,input,100,,,9,,,,no,,2", "1.a,fc,input,100,,,9"


@pytest.mark.parametrize("order", [(BLOCK, PLAIN), (PLAIN, BLOCK)])
def test_a_name_of_a_copy_is_refused_with_the_row_it_comes_from(tmp_path, order):
    with pytest.raises(InputError, match=r"mine.csv:3: layers \S*a and \S*a would both be called 1\.a"):
        load_csv(table(tmp_path, *order))


def test_a_layer_of_any_size_takes_seconds(tmp_path):
    """4096 x 11008 weights on 512 x 512 pixels: 1.2e13 MACs on 256 units, fetched again and again."""
    workload = load_csv(table(tmp_path, "up,conv,,4096,512,512,11008,1,,,no,int8"))
    report = simulate(EDGE, workload)
    assert len(report.schedule.stream) <= 1 << 18
    assert report.latency_ticks == pytest.approx(workload.macs / 256, rel=0.01)
