"""The event engine: the machine as SimPy processes, the readable oracle of the fast engine.

There is one process each for the DRAM channel, the decoder, the MAC array and the vector unit. They
exchange data only through finite buffers. The data of a step are in a fetch slot until they are decoded,
then in a decoded slot until they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from simpy import Container, Environment, Event, Store

from hwsim.engine.stream import MAC_ARRAY, VECTOR_UNIT, channel_order
from hwsim.engine.timeline import COMPUTE, DECODE, READ, WRITE, Timeline

if TYPE_CHECKING:
    from collections.abc import Generator

    from hwsim.engine.stream import TileStream

    Process = Generator[Event, Any, None]


def run_event(stream: TileStream) -> Timeline:
    """Run `stream` from a cold start and return when everything happened."""
    return Machine(stream).run()


class Machine:
    """DRAM channel, decoder, array and vector unit around two buffers.

    A subclass decides how long an operation takes, and when it may start, by `operation`.
    """

    def __init__(self, stream: TileStream) -> None:
        self.stream = stream
        self.env = env = Environment()
        self.ticks = [a.tolist() for a in (stream.read, stream.decode, stream.compute, stream.write)]
        self.end: list[list[float]] = [[0] * len(stream) for _ in self.ticks]
        self.free_fetch_slots = Container(env, stream.fetch_depth, init=stream.fetch_depth)
        self.fetched = Store(env)
        self.free_decoded_slots = [Container(env, 1, init=1) for _ in range(stream.decode_depth)]
        self.decoded = {MAC_ARRAY: Store(env), VECTOR_UNIT: Store(env)}
        self.computed = [Event(env) for _ in range(len(stream))]
        self.written = [Event(env) for _ in range(len(stream))]

    def run(self) -> Timeline:
        """Start every process and run until all have finished."""
        env = self.env
        parts = (self.dram_channel(), self.decoder(), self.unit(MAC_ARRAY), self.unit(VECTOR_UNIT))
        env.run(env.all_of([env.process(part) for part in parts]))
        return Timeline(
            np.array(self.end, np.int64), tuple(np.array(ticks, np.int64) for ticks in self.ticks)
        )

    def operation(self, phase: int, step: int) -> Event:
        """Start an operation; the event comes when it has ended."""
        return self.env.timeout(self.ticks[phase][step])

    def dram_channel(self) -> Process:
        """Serve reads and write-backs in their order; the bus turns around between directions."""
        env, read_after, written = self.env, self.stream.read_after.tolist(), self.written
        direction: int | None = None
        bus_free: float = 0
        for order in channel_order(self.stream).tolist():
            step, phase = order // 2, WRITE if order % 2 else READ
            if phase == READ:
                yield self.free_fetch_slots.get(1)
                if read_after[step] >= 0:
                    yield written[read_after[step]]
            else:
                yield self.computed[step]
            latency = 0
            if self.ticks[phase][step]:
                if direction not in (None, phase) and bus_free + self.stream.turnaround > env.now:
                    yield env.timeout(bus_free + self.stream.turnaround - env.now)
                yield self.operation(phase, step)
                direction, bus_free, latency = phase, env.now, self.stream.latency
            self.end[phase][step] = env.now
            if phase == READ:
                self.fetched.put(env.timeout(latency))
            else:
                written[step].succeed()

    def decoder(self) -> Process:
        """Decode fetched data in order, each into the next slot of the ring."""
        env, unit = self.env, self.stream.unit.tolist()
        for step in range(len(unit)):
            arrival = yield self.fetched.get()
            yield arrival
            yield self.free_decoded_slots[step % self.stream.decode_depth].get(1)
            yield self.operation(DECODE, step)
            self.end[DECODE][step] = env.now
            self.free_fetch_slots.put(1)
            self.decoded[unit[step]].put(step)

    def unit(self, name: int) -> Process:
        """Compute what is decoded for this unit, in order."""
        env, after, computed = self.env, self.stream.after.tolist(), self.computed
        for _ in range(int((self.stream.unit == name).sum())):
            step = yield self.decoded[name].get()
            if after[step] >= 0:
                yield computed[after[step]]
            yield self.operation(COMPUTE, step)
            self.end[COMPUTE][step] = env.now
            computed[step].succeed()
            if not self.ticks[WRITE][step]:
                self.end[WRITE][step] = env.now
                self.written[step].succeed()
            self.free_decoded_slots[step % self.stream.decode_depth].put(1)
