"""The graph of a network in a few dozen bytes: what is usual is implied, the rest is spelled out.

A node takes an op word and a byte of flags, and nothing more when its name is its op and a running
number (``conv2``), its input is the node before, and its parameters are ``conv2.weight`` and
``conv2.bias``. Any other name, input, parameter or attribute is written in full, so every graph
survives.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.format.fields import Reader, Writer, word_number
from compress.nn.interface import Interface
from compress.nn.network import INPUT, Network, Node
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_BASE_NAMES = {"max_pool": "pool", "avg_pool": "pool", "global_avg_pool": "pool"}
_PARAM_NAMES = {"affine": ("scale", "shift"), "layer_norm": ("scale", "bias")}
_USUAL_PARAM_NAMES = ("weight", "bias")

_NAME_WRITTEN, _NAME_NUMBERED, _NAME_BARE = 0, 1, 2
_INPUTS_WRITTEN, _ATTRS_WRITTEN = 4, 8
_PARAMS_SHIFT, _PARAMS_WRITTEN = 4, 7

_FROM_INPUT, _FROM_NODE, _FROM_OUTPUT, _FROM_PARAM = 0, 1, 2, 3

_INT, _PAIR, _INTS, _FLOAT64, _FLOAT32, _TEXT, _LIST = 0, 1, 2, 3, 4, 5, 6
_MAX_NESTING = 4


@dataclass(frozen=True)
class Topology:
    """A network without its parameters' values.

    Parameters
    ----------
    name : str
    input_shape : tuple of int
        Of one item, without the batch.
    nodes : tuple of Node
    outputs : tuple of str
    extra_inputs : dict of str to tuple of int
        Further inputs: shape of one item by name.
    interface : Interface
        Names of inputs and outputs, and what their first dimension counts.
    """

    name: str
    input_shape: tuple[int, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    extra_inputs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    interface: Interface = field(default_factory=Interface)

    @classmethod
    def of(cls, network: Network) -> Topology:
        """Return the topology of `network`."""
        return cls(
            network.name,
            network.input_shape,
            network.nodes,
            network.outputs,
            dict(network.extra_inputs),
            network.interface,
        )

    def network(self, params: Mapping[str, NDArray[Any]]) -> Network:
        """Return the network with these parameters.

        Raises
        ------
        InputError
            If the network cannot be executed.
        """
        return Network(
            self.name,
            self.input_shape,
            self.nodes,
            dict(params),
            self.outputs,
            self.extra_inputs,
            self.interface,
        )

    def param_names(self) -> tuple[str, ...]:
        """Names of all parameters, in the order of first use."""
        outputs = {INPUT, *self.extra_inputs, *(node.name for node in self.nodes)}
        found: dict[str, None] = {}
        for node in self.nodes:
            for name in node.inputs:
                if name not in outputs and name.rpartition(":")[0] not in outputs:
                    found[name] = None
            found |= dict.fromkeys(node.params)
        return tuple(found)


def write_topology(writer: Writer, topology: Topology) -> None:
    """Append `topology` to `writer`.

    Raises
    ------
    InputError
        If an attribute is no number, text or tuple of them.
    """
    writer.word(topology.name)
    _write_value(writer, _shapes_value(topology))
    writer.varint(len(topology.nodes))
    names = _Names()
    for node in topology.nodes:
        _write_node(writer, node, names)
    usual = topology.outputs == (topology.nodes[-1].name,)
    writer.varint(0 if usual else len(topology.outputs))
    for name in () if usual else topology.outputs:
        _write_source(writer, name, names)


def read_topology(reader: Reader) -> Topology:
    """Read what `write_topology` wrote.

    Raises
    ------
    InputError
        If the fields make no graph.
    """
    name = reader.word()
    shape, extra_inputs, interface = _shapes(name, _read_value(reader, reader.varint()))
    names = _Names()
    nodes = tuple(_read_node(reader, names) for _ in range(reader.count(2)))
    if not nodes:
        raise InputError(f"network {name}: no nodes, expected at least one")
    outputs = tuple(_read_source(reader, names) for _ in range(reader.count()))
    return Topology(name, shape, nodes, outputs or (nodes[-1].name,), extra_inputs, interface)


def _shapes_value(topology: Topology) -> tuple[Any, ...]:
    """Shape of the input; or a list of it, further inputs with their shapes, and facts."""
    shape = tuple(topology.input_shape)
    further = [part for name, size in topology.extra_inputs.items() for part in (name, tuple(size))]
    facts = _facts(topology.interface)
    if facts:
        further.append(facts)
    return (shape, *further) if further else shape


def _facts(interface: Interface) -> tuple[Any, ...]:
    """What an interface says that is not usual: keys and values in turn."""
    usual = Interface()
    facts: list[Any] = []
    for each in fields(Interface):
        value = getattr(interface, each.name)
        if value != getattr(usual, each.name):
            pairs = (
                tuple(part for item in value.items() for part in item) if isinstance(value, dict) else value
            )
            facts += [each.name, pairs]
    return tuple(facts)


def _interface(network: str, facts: tuple[Any, ...]) -> Interface:
    """Read what `_facts` made."""
    usual = Interface()
    found = dict(zip(facts[::2], facts[1::2], strict=False))
    values: dict[str, Any] = {}
    for key, value in found.items():
        default = getattr(usual, key, None) if isinstance(key, str) else None
        if isinstance(default, dict) and isinstance(value, tuple) and not len(value) % 2:
            pairs = dict(zip(value[::2], value[1::2], strict=True))
            kind = int if key == "lead" else str
            if all(isinstance(name, str) and isinstance(each, kind) for name, each in pairs.items()):
                values[key] = pairs
        elif isinstance(default, str) and isinstance(value, str):
            values[key] = value
        elif isinstance(default, tuple) and isinstance(value, tuple):
            if all(isinstance(each, str) for each in value):
                values[key] = value
        elif isinstance(default, int) and isinstance(value, int) and value > 0:
            values[key] = type(default)(value)
    wrong = [size for size in values.get("lead", {}).values() if size < 0]
    if len(values) != len(facts) / 2 or wrong:
        raise InputError(f"network {network}: facts of its inputs are {facts!r}, expected keys and values")
    return Interface(**values)


def _shapes(network: str, value: Any) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]], Interface]:
    """Read what `_shapes_value` made."""
    first, *rest = value if isinstance(value, tuple) and value and isinstance(value[0], tuple) else (value,)
    facts = rest.pop() if len(rest) % 2 and isinstance(rest[-1], tuple) else ()
    names, shapes = rest[::2], [first, *rest[1::2]]
    for shape in shapes:
        if not isinstance(shape, tuple) or not all(isinstance(size, int) and size > 0 for size in shape):
            raise InputError(f"network {network}: input shape is {shape!r}, expected whole numbers above 0")
    if len(shapes) != len(names) + 1 or not all(isinstance(name, str) for name in names):
        raise InputError(f"network {network}: further inputs are {rest!r}, expected names and shapes in turn")
    return first, dict(zip(names, shapes[1:], strict=True)), _interface(network, facts)


class _Names:
    """Nodes and parameters met so far, the same for writer and reader."""

    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.params: list[str] = []
        self._node_at: dict[str, int] = {}
        self._param_at: dict[str, int] = {}
        self._numbers: Counter[str] = Counter()

    @property
    def previous(self) -> str:
        return self.nodes[-1] if self.nodes else INPUT

    def usual(self, op: str) -> dict[int, str]:
        """Return the names a node of `op` has without being told, by kind."""
        base = _BASE_NAMES.get(op, op)
        return {_NAME_NUMBERED: f"{base}{self._numbers[base] + 1}", _NAME_BARE: base}

    def add_node(self, name: str, op: str) -> None:
        self._numbers[_BASE_NAMES.get(op, op)] += 1
        self._node_at.setdefault(name, len(self.nodes))
        self.nodes.append(name)

    def node_at(self, name: str) -> int | None:
        return self._node_at.get(name)

    def knows_param(self, name: str) -> bool:
        return name in self._param_at

    def param_number(self, name: str) -> int:
        """1 for the first parameter met, and so on; 0 for a new one, which is then known."""
        if name in self._param_at:
            return self._param_at[name] + 1
        self._param_at[name] = len(self.params)
        self.params.append(name)
        return 0

    def param(self, reader: Reader, number: int) -> str:
        if number == 0:
            name = reader.word()
            self.param_number(name)
            return name
        if number > len(self.params):
            raise InputError(f"parameter {number} is used before it is named")
        return self.params[number - 1]


def _write_node(writer: Writer, node: Node, names: _Names) -> None:
    kind = next((k for k, usual in names.usual(node.op).items() if usual == node.name), _NAME_WRITTEN)
    implied = _are_implied(node, names)
    flags = kind | (len(node.params) if implied else _PARAMS_WRITTEN) << _PARAMS_SHIFT
    flags |= _INPUTS_WRITTEN * (node.inputs != (names.previous,)) | _ATTRS_WRITTEN * bool(node.attrs)
    writer.word(node.op)
    writer.byte(flags)
    if kind == _NAME_WRITTEN:
        writer.text(node.name)
    if flags & _INPUTS_WRITTEN:
        writer.varint(len(node.inputs))
        for name in node.inputs:
            _write_source(writer, name, names)
    if flags & _ATTRS_WRITTEN:
        writer.varint(len(node.attrs))
        for key, value in node.attrs.items():
            _write_value(writer, value, key)
    if not implied:
        writer.varint(len(node.params))
    for name in node.params:
        number = names.param_number(name)
        if not implied:
            writer.varint(number)
            if number == 0:
                writer.word(name)
    names.add_node(node.name, node.op)


def _read_node(reader: Reader, names: _Names) -> Node:
    op, flags = reader.word(), reader.byte()
    usual = names.usual(op)
    kind = flags & 3
    name = usual[kind] if kind in usual else reader.text()
    inputs: tuple[str, ...] = (names.previous,)
    if flags & _INPUTS_WRITTEN:
        inputs = tuple(_read_source(reader, names) for _ in range(reader.count()))
    attrs = {}
    if flags & _ATTRS_WRITTEN:
        for _ in range(reader.count(2)):
            token = reader.varint()
            key = reader.numbered_word(token >> 3)
            attrs[key] = _read_value(reader, token)
    count = flags >> _PARAMS_SHIFT
    if count == _PARAMS_WRITTEN:
        params = tuple(names.param(reader, reader.varint()) for _ in range(reader.count()))
    else:
        params = _usual_params(name, op, count)
        for param in params:
            names.param_number(param)
    names.add_node(name, op)
    return Node(name, op, inputs, attrs, params)


def _usual_params(node: str, op: str, count: int) -> tuple[str, ...]:
    return tuple(f"{node}.{name}" for name in _PARAM_NAMES.get(op, _USUAL_PARAM_NAMES)[:count])


def _are_implied(node: Node, names: _Names) -> bool:
    """Whether the parameters are new ones with the usual names."""
    usual = _usual_params(node.name, node.op, len(node.params))
    return (
        len(usual) < _PARAMS_WRITTEN and node.params == usual and not any(map(names.knows_param, node.params))
    )


def _write_source(writer: Writer, name: str, names: _Names) -> None:
    """Append a tensor: the network's input, a node so many back (and which output), or a parameter."""
    node, _, output = name.rpartition(":")
    count = len(names.nodes)
    if name == INPUT:
        writer.varint(_FROM_INPUT)
    elif (at := names.node_at(name)) is not None:
        writer.varint((count - at) << 2 | _FROM_NODE)
    elif (at := names.node_at(node)) is not None and output.isdecimal():
        writer.varint((count - at) << 2 | _FROM_OUTPUT)
        writer.varint(int(output))
    else:
        number = names.param_number(name)
        writer.varint(number << 2 | _FROM_PARAM)
        if number == 0:
            writer.word(name)


def _read_source(reader: Reader, names: _Names) -> str:
    token = reader.varint()
    kind, number = token & 3, token >> 2
    if kind == _FROM_INPUT:
        return INPUT
    if kind == _FROM_PARAM:
        return names.param(reader, number)
    if not 1 <= number <= len(names.nodes):
        raise InputError(f"an input is {number} nodes back, expected 1 to {len(names.nodes)}")
    node = names.nodes[-number]
    return node if kind == _FROM_NODE else f"{node}:{reader.varint()}"


def _write_value(writer: Writer, value: Any, key: str | None = None, depth: int = 0) -> None:
    """Append a value whose type shares its first number with the key, where there is one."""
    kind, value = _typed(value, depth)
    number = word_number(key) if key is not None else 0
    writer.varint(number << 3 | kind)
    if key is not None and number == 0:
        writer.text(key)
    if kind == _INT:
        writer.signed(value)
    elif kind == _PAIR:
        writer.signed(value[0])
    elif kind == _INTS:
        writer.varint(len(value))
        for item in value:
            writer.signed(item)
    elif kind == _FLOAT32:
        writer.float32(value)
    elif kind == _FLOAT64:
        writer.float64(value)
    elif kind == _TEXT:
        writer.word(value)
    else:
        writer.varint(len(value))
        for item in value:
            _write_value(writer, item, depth=depth + 1)


def _read_value(reader: Reader, token: int, depth: int = 0) -> Any:
    kind = token & 7
    if kind == _INT:
        return reader.signed()
    if kind == _PAIR:
        return (reader.signed(),) * 2
    if kind == _INTS:
        return tuple(reader.signed() for _ in range(reader.count()))
    if kind == _FLOAT32:
        return reader.float32()
    if kind == _FLOAT64:
        return reader.float64()
    if kind == _TEXT:
        return reader.word()
    if kind == _LIST and depth < _MAX_NESTING:
        return tuple(_read_value(reader, reader.varint(), depth + 1) for _ in range(reader.count()))
    raise InputError(f"an attribute has type {kind} at depth {depth}, which is unknown")


def _typed(value: Any, depth: int) -> tuple[int, Any]:
    if isinstance(value, (bool, int, np.integer, np.bool_)):
        return _INT, _stored_int(int(value))
    if isinstance(value, (float, np.floating)):
        value = float(value)
        return (_FLOAT32 if _is_single(value) else _FLOAT64), value
    if isinstance(value, str):
        return _TEXT, value
    if isinstance(value, (tuple, list)) and depth < _MAX_NESTING:
        if all(isinstance(item, (int, np.integer)) for item in value):
            items = tuple(_stored_int(int(item)) for item in value)
            return (_PAIR if len(items) == 2 and items[0] == items[1] else _INTS), items
        return _LIST, tuple(value)
    raise InputError(f"attribute {value!r} cannot be stored, expected numbers, texts or tuples of them")


def _stored_int(value: int) -> int:
    if not -(1 << 63) <= value < 1 << 63:
        raise InputError(f"attribute {value} cannot be stored, expected at most 64 bits")
    return value


def _is_single(value: float) -> bool:
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0] == value
    except OverflowError:
        return False
