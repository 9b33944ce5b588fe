"""The file of a compressed network, `model.dcz`.

A file is ``b"DCZ"``, a version byte, then sections: a length, a body, and the CRC-32 of the
section's number, length and body. The first section begins with the stage and the topology; the
tensors follow in the order of their first use. A section ends after the tensor with which it reaches
`SECTION_BYTES`, so small layers share a section and large layers have their own. A last section holds what
is kept beside the network, by name, such as the tokenizer of a language model. Sizes are checked against
`MAX_ELEMENTS` and the size of the file before memory is allocated.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.codecs.fields import MAX_VARINT_BYTES
from compress.format.fields import Reader, Writer
from compress.format.layout import Layout
from compress.format.records import Known, read_tensor, write_tensor
from compress.format.tensors import DenseTensor
from compress.format.topology import Topology, read_topology, write_topology
from compress.io.files import write_bytes
from hwsim.errors import InputError, require_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from compress.format.tensors import StoredTensor
    from compress.nn.network import Network

MAGIC = b"DCZ"
VERSION = 2
READ_VERSIONS = (1, 2)
"""In version 1 several segments of a tensor begin at whole bytes."""
SECTION_BYTES = 4096
MAX_ELEMENTS = 1 << 28
"""Largest number of parameters of a file: 1 GiB when decoded."""

_FREE_ELEMENTS = 1 << 24
_ELEMENTS_PER_BYTE = 1 << 14
_CRC_BYTES = 4


@dataclass(frozen=True, eq=False)
class Artifact:
    """A network at one compression stage, as it is stored in a file.

    Parameters
    ----------
    topology : Topology
    tensors : dict of str to StoredTensor
        One for each parameter.
    stage : str
        ``dense``, ``pruned``, ``shared``, ``huffman``, ``int8``...
    beside : dict of str to bytes
        What belongs to the network and is not executed, by name.

    Raises
    ------
    InputError
        If a parameter has no tensor, or a tensor no parameter.
    """

    topology: Topology
    tensors: dict[str, StoredTensor]
    stage: str
    beside: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = self.topology.param_names()
        odd = sorted(set(names) ^ set(self.tensors))
        if odd:
            where = "no tensor" if odd[0] in names else "no node"
            raise InputError(f"network {self.topology.name}: parameter {odd[0]!r} has {where}")
        object.__setattr__(self, "tensors", {name: self.tensors[name] for name in names})

    @classmethod
    def of(cls, network: Network, stage: str, tensors: Mapping[str, StoredTensor] | None = None) -> Artifact:
        """Store `network`, with `tensors` for some of its parameters and the others in full precision."""
        given = dict(tensors or {})
        dense = {name: DenseTensor(value) for name, value in network.params.items() if name not in given}
        return cls(Topology.of(network), {**dense, **given}, stage)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Decode every parameter."""
        return {name: tensor.to_array() for name, tensor in self.tensors.items()}

    def to_network(self) -> Network:
        """Return the network with all weights decoded, bit for bit.

        Raises
        ------
        InputError
            If it cannot be executed.
        """
        return self.topology.network(self.arrays())

    def to_bytes(self) -> bytes:
        """Return the bytes of the file. The same artifact always gives the same bytes.

        Raises
        ------
        InputError
            If something cannot be stored, or the file could not be read again.
        """
        writer, sections = Writer(), []
        writer.word(self.stage)
        write_topology(writer, self.topology)
        known, elements = Known(), 0
        for name, tensor in self.tensors.items():
            if len(writer.data) >= SECTION_BYTES:
                sections.append(bytes(writer.data))
                writer = Writer()
            try:
                known = write_tensor(writer, tensor, known)
            except InputError as error:
                raise InputError(f"tensor {name}: {error}") from None
            elements += math.prod(tensor.shape)
        sections.append(bytes(writer.data))
        if self.beside:
            sections.append(_beside_section(self.beside))
        data = _framed(sections)
        if elements > _most_elements(len(data)):
            raise InputError(
                f"network {self.topology.name}: {elements} parameters in {len(data)} bytes, expected at "
                f"most {_most_elements(len(data))}"
            )
        return data

    def save(self, path: str | Path) -> int:
        """Write the file and return its size in bytes."""
        data = self.to_bytes()
        write_bytes(path, data)
        return len(data)

    @classmethod
    def load(cls, path: str | Path) -> Artifact:
        """Read a file; see `read`."""
        return read(path)[0]

    def layout(self) -> Layout:
        """Return the number of bits of the file by tensor and stream."""
        return parse(self.to_bytes())[1]


def read(path: str | Path) -> tuple[Artifact, Layout]:
    """Read a file. Return its artifact, and its number of bits by tensor and stream.

    Parameters
    ----------
    path : str or Path
        A ``.dcz`` file.

    Raises
    ------
    InputError
        If the file cannot be read, is not a ``.dcz`` file, or is damaged.
    """
    require_type(path, (str, Path), "model", "the path of a .dcz file")
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    try:
        return parse(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def read_topology_of(path: str | Path) -> Topology:
    """Read the graph of a file alone, without checking the rest; raises as `read`."""
    try:
        with Path(path).open("rb") as file:
            begin = Reader(file.read(len(MAGIC) + 1 + MAX_VARINT_BYTES))
            if begin.raw(len(MAGIC) + 1)[:-1] != MAGIC:
                raise InputError("the file does not begin with DCZ and a version, expected a network")
            length = begin.varint()
            file.seek(begin.at)
            reader = Reader(file.read(min(length, Path(path).stat().st_size)))
        reader.word()
        return read_topology(reader)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def opened(model: Artifact | str | Path) -> Artifact:
    """Return an artifact, read from its file if it is given by path.

    Raises
    ------
    InputError
        If it is neither, or the file cannot be read.
    """
    if isinstance(model, Artifact):
        return model
    require_type(model, (str, Path), "model", "an Artifact or the path of a .dcz file")
    return read(model)[0]


def parse(data: bytes) -> tuple[Artifact, Layout]:
    """Decode the bytes of a file. Return what `read` returns.

    Raises
    ------
    InputError
        If they are not a ``.dcz`` file, or are damaged.
    """
    sections = _unframed(data)
    reader = Reader(sections[0])
    stage = reader.word()
    topology = read_topology(reader)
    overhead = {
        "magic": 8 * (len(MAGIC) + 1),
        "topology": 8 * reader.at,
        "framing": 8 * (len(data) - len(MAGIC) - 1 - sum(map(len, sections)) - _CRC_BYTES * len(sections)),
        "crc": 8 * _CRC_BYTES * len(sections),
    }
    left = iter(sections[1:])
    known, budget = Known(), _most_elements(len(data))
    tensors, layouts = {}, []
    for name in topology.param_names():
        if reader.left == 0:
            reader = Reader(next(left, b""))
        try:
            tensor, layout, known = read_tensor(reader, name, known, budget)
        except InputError as error:
            raise InputError(f"tensor {name}: {error}") from None
        budget -= layout.size
        tensors[name] = tensor
        layouts.append(layout)
    if reader.left:
        raise InputError("a section goes on after its last tensor, expected its end")
    found = next(left, None)
    beside = {} if found is None else _read_beside(found)
    if found is not None:
        overhead["beside"] = 8 * len(found)
    if next(left, None) is not None:
        raise InputError("the file goes on after its last section, expected its end")
    return Artifact(topology, tensors, stage, beside), Layout(overhead, tuple(layouts), 8 * len(data))


def _beside_section(beside: Mapping[str, bytes]) -> bytes:
    writer = Writer()
    writer.varint(len(beside))
    for name, content in beside.items():
        writer.word(name)
        writer.varint(len(content))
        writer.raw(content)
    return bytes(writer.data)


def _read_beside(section: bytes) -> dict[str, bytes]:
    reader = Reader(section)
    found = {reader.word(): reader.raw(reader.count()) for _ in range(reader.count(2))}
    if reader.left or not found:
        raise InputError("the last section does not hold what it declares, the file is damaged")
    return found


def _most_elements(file_bytes: int) -> int:
    return min(MAX_ELEMENTS, _FREE_ELEMENTS + _ELEMENTS_PER_BYTE * file_bytes)


def _framed(sections: list[bytes]) -> bytes:
    writer = Writer()
    writer.raw(MAGIC)
    writer.byte(VERSION)
    for number, body in enumerate(sections):
        writer.varint(len(body))
        writer.raw(body)
        writer.raw(_crc(number, body))
    return bytes(writer.data)


def _unframed(data: bytes) -> list[bytes]:
    reader = Reader(data)
    if data[: len(MAGIC)] != MAGIC or len(data) <= len(MAGIC):
        raise InputError("the file does not begin with DCZ and a version, expected a compressed network")
    reader.raw(len(MAGIC))
    version = reader.byte()
    if version not in READ_VERSIONS:
        raise InputError(f"the file has version {version}, expected {' or '.join(map(str, READ_VERSIONS))}")
    sections: list[bytes] = []
    while reader.left or not sections:
        number = len(sections)
        try:
            body = reader.raw(reader.varint())
            found = reader.raw(_CRC_BYTES)
        except InputError:
            raise InputError(f"section {number} is cut short, the file is damaged") from None
        if found != _crc(number, body):
            raise InputError(f"the CRC-32 of section {number} is wrong, the file is damaged")
        sections.append(body)
    return sections


def _crc(number: int, body: bytes) -> bytes:
    prefix = Writer()
    prefix.varint(number)
    prefix.varint(len(body))
    return zlib.crc32(body, zlib.crc32(prefix.data)).to_bytes(_CRC_BYTES, "little")
