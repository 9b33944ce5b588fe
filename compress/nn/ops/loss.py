"""Losses: a value and the gradient of the logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.nn.ops.simple import softmax

if TYPE_CHECKING:
    from compress.nn.ops.base import Array


def softmax_cross_entropy(logits: Array, targets: Array) -> tuple[float, Array]:
    """Mean cross-entropy of softmax(logits) and its gradient.

    Parameters
    ----------
    logits : ndarray, shape (batch, classes)
    targets : ndarray, shape (batch,) or (batch, classes)
        Class numbers, or a distribution over the classes for each item (distillation).

    Returns
    -------
    loss : float
        Nats per item.
    gradient : ndarray, shape (batch, classes)
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    gradient = softmax(logits)
    if targets.ndim == 1:
        items = np.arange(len(logits))
        loss = float((log_total[:, 0] - shifted[items, targets]).mean())
        gradient[items, targets] -= 1
    else:
        loss = float((targets * (log_total - shifted)).sum(axis=1).mean())
        gradient -= targets
    gradient /= len(logits)
    return loss, gradient
