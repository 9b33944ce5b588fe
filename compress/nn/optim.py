"""Optimizers, which update parameters in place, and learning-rate schedules."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hwsim.compiled import njit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from compress.nn.ops.base import Array


class Optimizer(Protocol):
    """What training asks of an optimizer."""

    def step(self, params: Mapping[str, Array], gradients: Mapping[str, Array], rate: float) -> None:
        """Move every parameter that has a gradient of its shape, in place, at learning rate `rate`."""
        ...


@njit(cache=True)
def _sgd(value, gradient, velocity, rate, momentum, decay):  # type: ignore[no-untyped-def]
    for i in range(value.size):
        velocity[i] = momentum * velocity[i] + gradient[i] + decay * value[i]
        value[i] -= rate * velocity[i]


@njit(cache=True)
def _adam(value, gradient, mean, square, rate, beta1, beta2, root, epsilon, decay):  # type: ignore[no-untyped-def]
    one = value.dtype.type(1)
    for i in range(value.size):
        mean[i] = beta1 * mean[i] + (one - beta1) * gradient[i]
        square[i] = beta2 * square[i] + (one - beta2) * gradient[i] * gradient[i]
        value[i] -= rate * mean[i] / (np.sqrt(square[i]) * root + epsilon) + decay * value[i]


@dataclass
class SGD:
    """Stochastic gradient descent with momentum: ``v = m v + g + d w; w -= rate v``.

    Parameters
    ----------
    momentum : float
    weight_decay : float
        L2 penalty's factor, on weights and not on biases.
    """

    momentum: float = 0.9
    weight_decay: float = 0.0
    _velocity: dict[str, Array] = field(default_factory=dict)

    def step(self, params: Mapping[str, Array], gradients: Mapping[str, Array], rate: float) -> None:
        """Move every parameter that has a gradient, in place, at learning rate `rate`."""
        for name, gradient in gradients.items():
            value = params[name]
            velocity = self._velocity.setdefault(name, np.zeros_like(value))
            number = value.dtype.type
            _sgd(
                value.reshape(-1), gradient.reshape(-1), velocity.reshape(-1), number(rate),
                number(self.momentum), number(_decay(self.weight_decay, value)),
            )  # fmt: skip


@dataclass
class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov and Hutter 2019).

    Parameters
    ----------
    beta1, beta2 : float
        Decay of the running mean and of the running square.
    epsilon : float
    weight_decay : float
        Times the learning rate, taken from weights and not from biases.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    _moments: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    _steps: int = 0

    def step(self, params: Mapping[str, Array], gradients: Mapping[str, Array], rate: float) -> None:
        """Move every parameter that has a gradient, in place, at learning rate `rate`."""
        self._steps += 1
        for name, gradient in gradients.items():
            value = params[name]
            mean, square = self._moments.setdefault(name, (np.zeros_like(value), np.zeros_like(value)))
            number = value.dtype.type
            _adam(
                value.reshape(-1), gradient.reshape(-1), mean.reshape(-1), square.reshape(-1),
                number(rate / (1 - self.beta1**self._steps)), number(self.beta1), number(self.beta2),
                number(1 / math.sqrt(1 - self.beta2**self._steps)), number(self.epsilon),
                number(rate * _decay(self.weight_decay, value)),
            )  # fmt: skip


def _decay(weight_decay: float, value: Array) -> float:
    return weight_decay if value.ndim > 1 else 0.0


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "cosine": lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
    "step": lambda progress: 0.1 ** (int(progress >= 0.5) + int(progress >= 0.75)),
}
"""Factor of the learning rate by the fraction of training that is over; ``step`` divides by ten at
one half and at three quarters."""
