"""The ONNX standard's own node tests: an accepted graph gives the standard's answer, any other is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra hwsim[onnx] is not installed")

from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from compress.interop.onnx import import_onnx_bytes
from compress.nn.network import INPUT
from hwsim.errors import InputError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    CASES = {case.name.removeprefix("test_"): case for case in load_model_tests(kind="node")}

FEWEST_ACCEPTED = 1000
"""Node tests that come in; the others hold sequences, texts, loops, random numbers or training."""


def arrays(values) -> list[np.ndarray] | None:
    """Values of one data set, floats as float32; None where one is a sequence, an option or absent."""
    found = [numpy_helper.to_array(v) if hasattr(v, "raw_data") else v for v in values]
    if not all(isinstance(v, (np.ndarray, np.generic)) for v in found):
        return None
    return [np.asarray(v, np.float32 if "float" in v.dtype.name else None) for v in found]


def tolerance(case, number: int) -> dict[str, float]:
    """What an output may differ by: more where the standard's own has 8 or 16 bits."""
    answer = case.data_sets[0][1][number]
    kept = numpy_helper.to_array(answer) if hasattr(answer, "raw_data") else np.asarray(answer)
    narrow = kept.dtype.itemsize < 4
    return {
        "rtol": max(case.rtol, 0.02 if narrow else 1e-3),
        "atol": max(case.atol, 0.02 if narrow else 1e-5),
    }


def executed(case, fixed: int, given: list[np.ndarray]) -> list[np.ndarray]:
    """Outputs of a case whose inputs from number `fixed` on are constants."""
    names = [value.name for value in case.model.graph.input]
    held = {name: np.asarray(value) for name, value in zip(names[fixed:], given[fixed:], strict=True)}
    network = import_onnx_bytes(case.model.SerializeToString(), case.name, fixed=held)
    open_names = [INPUT, *network.extra_inputs]
    extra = dict(zip(open_names[1:], given[1:fixed], strict=True))
    return list(network.run(np.asarray(given[0]), extra=extra).values())


def differs(value: np.ndarray, expected: np.ndarray, **allowed: float) -> bool:
    """Whether an output is not the standard's."""
    if value.shape != expected.shape:
        return True
    return not np.allclose(value.astype(np.float64), expected.astype(np.float64), equal_nan=True, **allowed)


def outcome(case) -> str:
    """Try a case with fewer and fewer open inputs: ``accepted``, ``refused`` or what is wrong."""
    for data, answers in case.data_sets:
        given, expected = arrays(data), arrays(answers)
        if given is None or expected is None:
            return "refused"
        for fixed in range(len(given), 0, -1):
            try:
                found = executed(case, fixed, given)
            except InputError:
                continue
            pairs = enumerate(zip(found, expected, strict=True))
            wrong = [at for at, (one, two) in pairs if differs(one, two, **tolerance(case, at))]
            return f"wrong with {fixed} open inputs" if wrong else "accepted"
    return "refused"


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_an_accepted_node_test_gives_the_answer_of_the_standard(name):
    assert outcome(CASES[name]) in ("accepted", "refused")
