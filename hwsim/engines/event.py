"""The event engine: the machine as SimPy processes, the readable oracle of the fast engine.

One process each for the DRAM channel, the decoder, the MAC array and the vector unit. They meet
only in finite buffers: a step's data sit in a fetch slot until they are decoded, then in a
decoded slot until they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from simpy import Container, Environment, Store

from hwsim.stream import MAC_ARRAY, VECTOR_UNIT, channel_order
from hwsim.timeline import COMPUTE, DECODE, READ, WRITE, Timeline

if TYPE_CHECKING:
    from collections.abc import Generator

    from simpy import Event

    from hwsim.stream import TileStream

    Process = Generator[Event, object, None]


def run_event(stream: TileStream) -> Timeline:
    """Run `stream` from a cold start and return when everything happened."""
    return Machine(stream).run()


class Machine:
    """DRAM channel, decoder, array and vector unit around two buffers.

    Parameters
    ----------
    stream : TileStream
    """

    def __init__(self, stream: TileStream) -> None:
        self.stream = stream
        self.env = env = Environment()
        self.end = np.empty((4, len(stream)), np.int64)
        self.ticks = [a.tolist() for a in (stream.read, stream.decode, stream.compute, stream.write)]
        self.free_fetch_slots = Container(env, capacity=stream.fetch_depth, init=stream.fetch_depth)
        self.fetched: Store = Store(env)
        self.free_decoded_slots = [Container(env, capacity=1, init=1) for _ in range(stream.decode_depth)]
        self.decoded = {MAC_ARRAY: Store(env), VECTOR_UNIT: Store(env)}
        self.computed = [env.event() for _ in range(len(stream))]
        self.written = [env.event() for _ in range(len(stream))]

    def run(self) -> Timeline:
        """Start every process and run until nothing is left to do."""
        for process in (self.dram_channel(), self.decoder(), self.unit(MAC_ARRAY), self.unit(VECTOR_UNIT)):
            self.env.process(process)
        self.env.run()
        stream = self.stream
        return Timeline(self.end, (stream.read, stream.decode, stream.compute, stream.write))

    def dram_channel(self) -> Process:
        """Serve reads and write-backs in their order; the bus turns around between directions."""
        direction, bus_free = None, 0
        for operation in channel_order(self.stream).tolist():
            step, stage = operation // 2, WRITE if operation % 2 else READ
            if stage == READ:
                yield self.free_fetch_slots.get(1)
                if (source := int(self.stream.read_after[step])) >= 0:
                    yield self.written[source]
            else:
                yield self.computed[step]
            if self.ticks[stage][step]:
                turned = bus_free + self.stream.turnaround * (direction not in (None, stage))
                if turned > self.env.now:
                    yield self.env.timeout(turned - self.env.now)
                yield self.env.timeout(self.ticks[stage][step])
                direction, bus_free = stage, self.env.now
            self.end[stage, step] = self.env.now
            if stage == READ:
                latency = self.stream.latency if self.ticks[READ][step] else 0
                yield self.fetched.put(self.env.timeout(latency, step))
            else:
                self.written[step].succeed()

    def decoder(self) -> Process:
        """Decode fetched data in order, each into the next slot of the ring."""
        for step in range(len(self.stream)):
            yield (yield self.fetched.get())
            yield self.free_decoded_slots[step % self.stream.decode_depth].get(1)
            yield self.env.timeout(self.ticks[DECODE][step])
            self.end[DECODE, step] = self.env.now
            yield self.free_fetch_slots.put(1)
            yield self.decoded[int(self.stream.unit[step])].put(step)

    def unit(self, name: int) -> Process:
        """Compute what is decoded for this unit, in order."""
        for _ in range(int((self.stream.unit == name).sum())):
            step = yield self.decoded[name].get()
            if (source := int(self.stream.after[step])) >= 0:
                yield self.computed[source]
            yield self.env.timeout(self.ticks[COMPUTE][step])
            self.end[COMPUTE, step] = self.env.now
            self.computed[step].succeed()
            if not self.ticks[WRITE][step]:
                self.end[WRITE, step] = self.env.now
                self.written[step].succeed()
            yield self.free_decoded_slots[step % self.stream.decode_depth].put(1)
