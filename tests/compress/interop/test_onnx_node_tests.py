"""The ONNX standard's own node tests: an accepted graph gives the standard's answer, any other is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra hwsim[onnx] is not installed")

from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from compress.interop.onnx import import_onnx_bytes
from hwsim.errors import InputError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    CASES = {
        case.name.removeprefix("test_"): case
        for case in load_model_tests(kind="node")
        if "_expanded" not in case.name  # the same operators as their bodies, which the import puts in anyway
    }


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


def executed(case, names: list[str], given: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Outputs of a case that reads the inputs `names`; the others are constants."""
    held = {name: value for name, value in given.items() if name not in names}
    network = import_onnx_bytes(case.model.SerializeToString(), case.name, fixed=held)
    first, *rest = names
    extra = dict(zip(network.extra_inputs, (given[name] for name in rest), strict=True))
    return list(network.run(given[first], extra=extra).values())


def ways(given: dict[str, np.ndarray]) -> list[list[str]]:
    """Inputs that stay open: all, those with as many items as the first, the first alone."""
    first, *_ = given
    alike = [name for name, value in given.items() if value.shape[:1] == given[first].shape[:1]]
    return [list(given), alike, [first]]


def differs(value: np.ndarray, expected: np.ndarray, **allowed: float) -> bool:
    """Whether an output is not the standard's."""
    if value.shape != expected.shape:
        return True
    return not np.allclose(value.astype(np.float64), expected.astype(np.float64), equal_nan=True, **allowed)


def outcome(case) -> str:
    """Try a case with fewer and fewer open inputs: ``accepted``, ``refused`` or what is wrong."""
    given, expected = (arrays(values) for values in case.data_sets[0])
    if not given or expected is None:
        return "refused"
    by_name = dict(zip((value.name for value in case.model.graph.input), given, strict=True))
    for names in ways(by_name):
        try:
            found = executed(case, names, by_name)
        except InputError:
            continue
        pairs = enumerate(zip(found, expected, strict=True))
        wrong = [at for at, (one, two) in pairs if differs(one, two, **tolerance(case, at))]
        return f"wrong with open inputs {names}: outputs {wrong}" if wrong else "accepted"
    return "refused"


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_an_accepted_node_test_gives_the_answer_of_the_standard(name):
    assert outcome(CASES[name]) in ("accepted", "refused")


NEEDED = (
    "gru_defaults", "gru_with_initial_bias", "lstm_bidirectional", "lstm_reverse",
    "resize_upsample_scales_linear", "resize_upsample_scales_cubic", "group_normalization_example",
    "instancenorm_example", "top_k", "gather_elements_0", "gathernd_example_float32", "cumsum_1d",
    "sin", "cos", "argmax_default_axis_random", "softplus", "logsoftmax_axis_1", "prelu_broadcast",
    "depthtospace_example", "gelu_tanh_1", "clip_default_min", "einsum_batch_matmul",
    "convtranspose_group_2", "attention_4d", "attention_3d_gqa", "attention_4d_causal",
    "attention_4d_with_past_and_present", "rms_normalization_2d_axis1", "rotary_embedding",
    "qlinearconv", "qlinearmatmul_2D_uint8_float32", "dequantizelinear_axis", "quantizelinear",
    "dynamicquantizelinear", "matmulinteger", "convinteger_with_padding", "scatternd", "triu",
    "mod_mixed_sign_float32", "where_example", "expand_dim_changed",
    "and2d", "equal", "tile", "edge_pad", "reflect_pad", "wrap_pad", "reduce_l2_keep_dims_example",
    "onehot_with_axis", "swish", "mish", "elu", "selu", "celu",
)  # fmt: skip
"""What families of networks need."""


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.filterwarnings("ignore")
def test_what_networks_need_is_accepted(name):
    assert outcome(CASES[name]) == "accepted"
