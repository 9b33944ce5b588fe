"""Settings of training: epochs, batch size and learning rates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from compress.nn.optim import SCHEDULES
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class TrainConfig:
    """How to train.

    Parameters
    ----------
    epochs, batch : int
    learning_rate : float
        Before the schedule's factor.
    optimizer : {"sgd", "adam"}
    schedule : {"constant", "cosine", "step"}
    momentum : float
        Of SGD; Adam keeps its own.
    weight_decay : float
    shift_pixels : int
        Augmentation: every image is moved by up to so many pixels each way; 0 for none.
    rotate_degrees, stretch : float
        Augmentation: every image is turned by up to so much, and each axis made longer or shorter by up
        to about this fraction; moves are then by fractions of pixels too.
    dropout : dict of str to float
        Rate of dropout before the named nodes, in training only.
    """

    epochs: int
    batch: int = 100
    learning_rate: float = 0.05
    optimizer: Literal["sgd", "adam"] = "sgd"
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    momentum: float = 0.9
    weight_decay: float = 0.0
    shift_pixels: int = 0
    rotate_degrees: float = 0.0
    stretch: float = 0.0
    dropout: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lowest = {"epochs": 1, "batch": 1, "shift_pixels": 0, "rotate_degrees": 0, "stretch": 0}
        for key, low in lowest.items():
            if getattr(self, key) < low:
                raise InputError(f"training: {key} is {getattr(self, key)}, expected at least {low}")
        if not (0 < self.learning_rate < np.inf and 0 <= self.weight_decay < np.inf):
            raise InputError(
                f"training: learning_rate is {self.learning_rate} and weight_decay {self.weight_decay}, "
                "expected a positive and a non-negative number"
            )
        if not 0 <= self.momentum < 1:
            raise InputError(f"training: momentum is {self.momentum}, expected at least 0 and below 1")
        if self.optimizer not in ("sgd", "adam") or self.schedule not in SCHEDULES:
            raise InputError(
                f"training: optimizer is {self.optimizer!r} and schedule {self.schedule!r}, "
                f"expected sgd or adam and {' or '.join(SCHEDULES)}"
            )
