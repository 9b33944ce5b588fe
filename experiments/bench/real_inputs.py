"""Inputs for models of several kinds, made on the spot: lines of text, sounds, files, noise.

Each function returns one that makes some items of each input, by its name.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Values = dict[str, NDArray[Any]]

ITEMS = 8
TEXTS = ("Huffman 1952", "codebook, gap", "weights", "dark silicon", "640 pJ", "batch 16", "7 nm", "sparse")
RATE_HZ = 16000


def lines(name: str, height: int, width: int) -> Callable[[], Values]:
    """Return a maker of images of a line of text each, (3, height, width), values from -1 to 1."""

    def make() -> Values:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        images = []
        for text in TEXTS:
            figure = Figure(figsize=(width / 100, height / 100), dpi=100)
            canvas = FigureCanvasAgg(figure)
            figure.text(0.5, 0.5, text, va="center", ha="center", fontsize=20)
            canvas.draw()
            images.append(np.asarray(canvas.buffer_rgba())[:, :, :3].transpose(2, 0, 1) / 127.5 - 1)
        return {name: np.stack(images).astype(np.float32)}

    return make


def sounds(name: str, shape: tuple[int, ...], **states: tuple[int, int]) -> Callable[[], Values]:
    """Return a maker of harmonic sounds of changing pitch, and of states of zeros (layers, features)."""

    def make() -> Values:
        rng = np.random.default_rng(0)
        seconds = np.arange(np.prod(shape)) / RATE_HZ
        pitches = rng.uniform(90, 250, (ITEMS, 1)) * (1 + 0.05 * np.sin(2 * np.pi * 5 * seconds))
        phase = 2 * np.pi * np.cumsum(pitches, axis=1) / RATE_HZ
        voices = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 9))
        heard = 0.1 * voices + 0.003 * rng.standard_normal(phase.shape)
        made = {name: heard.reshape(ITEMS, *shape).astype(np.float32)}
        return made | {
            state: np.zeros((ITEMS, layers, 1, features), np.float32)
            for state, (layers, features) in states.items()
        }

    return make


def files(name: str, size: int) -> Callable[[], Values]:
    """Return a maker of both ends of files, as numbers of bytes."""

    def make() -> Values:
        sources = sorted(Path(__file__).parent.glob("*.py"))[:ITEMS]
        rows = [np.frombuffer(file.read_bytes().strip(), np.uint8) for file in sources]
        return {name: np.stack([_ends(row, size // 2) for row in rows])}

    return make


def _ends(content: NDArray[Any], size: int) -> NDArray[Any]:
    filler = 256
    first, last = (np.full(size, filler, np.int32) for _ in range(2))
    head, tail = content[:size], content[-size:]
    first[: len(head)], last[size - len(tail) :] = head, tail
    return np.concatenate([first, last])


def noise(name: str, shape: tuple[int, ...], **others: tuple[int, ...]) -> Callable[[], Values]:
    """Return a maker of smooth noise, as features of a signal are, and of other inputs of plain noise."""

    def make() -> Values:
        rng = np.random.default_rng(0)
        rough = rng.standard_normal((ITEMS, *shape))
        made = {name: (np.cumsum(rough, axis=1) / np.sqrt(shape[0])).astype(np.float32)}
        return made | {
            other: rng.standard_normal((ITEMS, *sizes)).astype(np.float32) for other, sizes in others.items()
        }

    return make


def words(name: str, length: int, mask: str, most: int = 20_000) -> Callable[[], Values]:
    """Return a maker of numbers of words, common ones more often, and of a mask that says all are there."""

    def make() -> Values:
        rng = np.random.default_rng(0)
        numbers = np.minimum(rng.zipf(1.2, (ITEMS, length)) + 1000, most)
        return {name: numbers.astype(np.int64), mask: np.ones((ITEMS, length), np.int64)}

    return make
