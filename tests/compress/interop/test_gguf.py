"""Language models from GGUF files: values, bytes per block, and files that are not whole."""

import contextlib

import llama_files
import numpy as np
import pytest
from llama_files import SHAPE, VALUES, gguf_file, small_llama
from model_files import LLAMA_VALUES, gguf, llama_tensors

from compress.format.container import parse, read_topology_of
from compress.interop.gguf import import_gguf
from compress.interop.model import import_model
from compress.language.session import open_model
from experiments.runs.language_files import open_gguf
from hwsim.errors import InputError


@pytest.fixture
def written(tmp_path):
    data, values = gguf_file(small_llama())
    path = tmp_path / "small.gguf"
    path.write_bytes(data)
    return path, values


def test_values_are_those_of_the_file_bit_for_bit(written):
    path, values = written
    artifact = import_model(path)
    assert artifact.stage == "q4_1"
    for name, array in artifact.arrays().items():
        np.testing.assert_array_equal(array, values[name], err_msg=name)


def test_integers_stay_integers_with_the_bytes_of_their_blocks(written):
    artifact = import_gguf(written[0])
    layout = {tensor.name: tensor for tensor in artifact.layout().tensors}
    gate = layout["0.gate.weight"]
    assert gate.form == "int4 raw"
    # a block of Q4_1: 32 values of 4 bits, scale and offset of 16 bits; then a byte each of size and width
    assert gate.payload_bits + gate.side_bits == SHAPE.hidden * SHAPE.features // 32 * 160 + 16
    table = layout["embedding.weight"]
    assert table.payload_bits + table.side_bits == SHAPE.words * SHAPE.features // 32 * 272 + 16


def test_a_file_that_was_written_executes_as_the_network_does(written, tmp_path):
    path, values = written
    artifact = import_gguf(path)
    model = tmp_path / "small.dcz"
    assert artifact.save(model) == model.stat().st_size
    network, tokenizer = open_model(model)
    tokens = np.array(tokenizer.encode("the cat"))
    wanted = small_llama().with_params(values).forward(tokens)
    # packed layers add in another order
    np.testing.assert_allclose(network.forward(tokens), wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())
    assert read_topology_of(model) == artifact.topology
    assert parse(model.read_bytes())[0].to_bytes() == model.read_bytes()


@pytest.mark.parametrize("kind", [0, 8])
def test_other_types_are_read(tmp_path, kind):
    data, values = gguf_file(small_llama(), matrices=kind, table=kind)
    path = tmp_path / "small.gguf"
    path.write_bytes(data)
    artifact = import_gguf(path)
    assert artifact.stage == {0: "dense", 8: "q8_0"}[kind]
    np.testing.assert_array_equal(artifact.arrays()["1.down.weight"], values["1.down.weight"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"general.architecture": "qwen2"}, "general.architecture is 'qwen2', expected llama to execute it"),
        ({"llama.rope.scaling.factor": 8.0}, "llama.rope.scaling.factor is set, expected positions without"),
        ({"llama.block_count": 3}, "tensor blk.2.attn_norm.weight is absent, expected shape"),
        ({"llama.block_count": 1}, "tensor blk.1.attn_k.weight is unknown, expected those of a plain Llama"),
        ({"llama.feed_forward_length": 64}, r"tensor blk.0.ffn_gate.weight is of shape \(96, 64\), expected"),
        ({"llama.attention.head_count": "4"}, "llama.attention.head_count is '4', expected a number above 0"),
        ({"llama.rope.dimension_count": 8}, "rope.dimension_count is no whole head of 16"),
        ({"tokenizer.ggml.pre": "llama-bpe"}, "tokenizer is 'gpt2', 'llama-bpe', expected 'gpt2' and one of"),
        ({"llama.attention.head_count": 0.5}, "llama.attention.head_count is 0.5, expected a whole number"),
        ({"llama.block_count": 2**31}, "2147483648 blocks of 20 tensors, expected several of each"),
        ({"tokenizer.ggml.token_type": [1]}, "1 types of tokens, expected 300"),
    ],
)
def test_a_file_of_another_kind_is_one_sentence(tmp_path, monkeypatch, changes, message):
    monkeypatch.setattr(llama_files, "VALUES", VALUES | changes)
    path = tmp_path / "other.gguf"
    path.write_bytes(gguf_file(small_llama())[0])
    with pytest.raises(InputError, match=message):
        import_gguf(path)


ODD = (0.5, float("inf"), float("nan"), 0, True, 2**31, "x", [1], ["x"])


@pytest.mark.parametrize("key", [*VALUES, "general.alignment", "llama.rope.dimension_count"])
def test_any_value_of_a_key_is_taken_or_refused(tmp_path, monkeypatch, key):
    """A count that is no whole number, or that would make work without end, is no fault."""
    model, path = small_llama(), tmp_path / "odd.gguf"
    for value in ODD:
        monkeypatch.setattr(llama_files, "VALUES", VALUES | {key: value})
        path.write_bytes(gguf_file(model)[0])
        with contextlib.suppress(InputError):  # any other error is a fault
            import_gguf(path)


@pytest.mark.parametrize("shape", [(), (256,), (256, 10, 100)])
@pytest.mark.parametrize("read", [import_gguf, open_gguf])
def test_an_embedding_that_is_no_matrix_is_refused(tmp_path, shape, read):
    path = tmp_path / "flat.gguf"
    path.write_bytes(gguf(LLAMA_VALUES, [("token_embd.weight", shape, 0), *llama_tensors()[1:]]))
    with pytest.raises(InputError, match=f"token_embd.weight has {len(shape)} dimensions, expected 2"):
        read(path)


def test_a_file_that_is_cut_short_is_refused(written):
    path, _ = written
    data = path.read_bytes()
    for part in (0.2, 0.9, 0.999):
        path.write_bytes(data[: int(part * len(data))])
        with pytest.raises(InputError, match=r"small.gguf"):
            import_gguf(path)


def test_an_unknown_type_is_refused_with_what_is_known(written, tmp_path):
    data = written[0].read_bytes()
    name = b"blk.1.ffn_down.weight"
    at = data.index(name) + len(name) + 4 + 2 * 8
    path = tmp_path / "k.gguf"
    path.write_bytes(data[:at] + (12).to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(
        InputError, match="type 12 of GGUF cannot be executed, expected F32, F16, BF16, Q4_0, Q4_1, Q8_0"
    ):
        import_gguf(path)


def test_a_vector_in_blocks_is_refused(written, tmp_path):
    data = written[0].read_bytes()
    name = b"blk.1.attn_norm.weight"
    at = data.index(name) + len(name) + 4 + 8
    path = tmp_path / "v.gguf"
    path.write_bytes(data[:at] + (8).to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(InputError, match="64 values of a vector in Q8_0, expected F32, F16 or BF16"):
        import_gguf(path)
