"""What files of language models need: groups with offsets, coded bfloat16, and content beside the network."""

import numpy as np
import pytest
from llama_files import small_llama

from compress.format.container import Artifact, parse, read_topology_of
from compress.format.tensors import DenseTensor, QuantizedTensor
from hwsim.errors import InputError

RNG = np.random.default_rng(3)


def with_tensor(tensor, name="0.query.weight"):
    return Artifact.of(small_llama(), "mixed", {name: tensor})


def again(artifact):
    return parse(artifact.to_bytes())[0]


@pytest.mark.parametrize("coding", ["raw", "fixed", "huffman", "words"])
@pytest.mark.parametrize("offset", [False, True])
def test_groups_with_float16_scales_come_back(coding, offset):
    q = RNG.integers(-8, 8, (64, 64)).astype(np.int8)
    scale, low = (RNG.random((64, 2)).astype(np.float16) for _ in range(2))
    tensor = QuantizedTensor(q, scale, 4, coding, block=32, offset=low if offset else None)
    found = again(with_tensor(tensor)).tensors["0.query.weight"]
    np.testing.assert_array_equal(found.q, q)
    np.testing.assert_array_equal(found.to_array(), tensor.to_array())
    wide = np.repeat(scale.astype(np.float32), 32, axis=1)
    wanted = (q + 8) * wide + np.repeat(low.astype(np.float32), 32, axis=1) if offset else q * wide
    np.testing.assert_array_equal(found.to_array(), wanted.astype(np.float32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block": None, "scale": np.ones(64, np.float16)}, "scale has dtype float16 and shape"),
        ({"offset": np.ones((64, 2), np.float32)}, "offset has dtype float32 and shape"),
        ({"offset": np.ones((64, 1), np.float16)}, "expected float16 and"),
        ({"offset": np.full((64, 2), np.nan, np.float16)}, "an offset is not finite"),
        ({"scale": np.ones((64, 2), np.float32), "offset": np.ones((64, 2), np.float16)}, "offset has dtype"),
    ],
)
def test_scales_and_offsets_have_to_fit(changes, message):
    values = {"q": np.zeros((64, 64), np.int8), "scale": np.ones((64, 2), np.float16), "bits": 4, "block": 32}
    with pytest.raises(InputError, match=message):
        QuantizedTensor(**values | changes)


def test_coded_bfloat16_takes_a_code_word_and_a_byte_a_value():
    values = (RNG.standard_normal((64, 64), np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)
    values[0, :3] = 0, -0.0, np.inf
    artifact = with_tensor(DenseTensor(values, bfloat16=True, coding="words"))
    found, layout = parse(artifact.to_bytes())
    assert found.tensors["0.query.weight"].to_array().tobytes() == values.tobytes()
    tensor = layout.tensor("0.query.weight")
    assert tensor.form == "dense bfloat16 words"
    assert tensor.segment_symbols.sum() == values.size
    assert 8 * values.size < tensor.payload_bits < 12 * values.size
    assert tensor.payload_bits == tensor.segment_bits.sum()
    with pytest.raises(InputError, match="coding of a dense tensor is 'words', expected one of raw"):
        DenseTensor(values, coding="words")


def test_content_beside_the_network_comes_back_and_its_bits_are_counted(tmp_path):
    plain = Artifact.of(small_llama(), "dense")
    artifact = Artifact(plain.topology, plain.tensors, "dense", {"tokenizer": b"abc", "empty": b""})
    found, layout = parse(artifact.to_bytes())
    assert found.beside == artifact.beside
    assert layout.overhead["beside"] > 8 * 3
    total = sum(layout.overhead.values()) + sum(tensor.total_bits for tensor in layout.tensors)
    assert total == layout.file_bits
    assert parse(plain.to_bytes())[0].beside == {}
    artifact.save(tmp_path / "model.dcz")
    assert read_topology_of(tmp_path / "model.dcz") == artifact.topology
    for broken in (b"DCX" + artifact.to_bytes()[3:], b"DC", b"DCZ\x01\xff"):
        (tmp_path / "broken.dcz").write_bytes(broken)
        with pytest.raises(InputError, match=r"broken\.dcz"):
            read_topology_of(tmp_path / "broken.dcz")


def test_a_damaged_section_is_refused():
    plain = Artifact.of(small_llama(), "dense")
    data = Artifact(plain.topology, plain.tensors, "dense", {"tokenizer": bytes(100)}).to_bytes()
    for at in (len(data) - 3, len(data) - 50):
        broken = bytearray(data)
        broken[at] ^= 1
        with pytest.raises(InputError, match="CRC-32"):
            parse(bytes(broken))
