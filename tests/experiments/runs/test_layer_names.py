"""Names of layers on the command line, commas included."""

import pytest

from experiments.runs.workloads import layers_named
from hwsim.errors import InputError
from hwsim.workload.layer import Workload, fc

NETWORK = Workload("n", "dense", tuple(fc(name, 2, 2) for name in ("a", "fc,1", "b")), "made here")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b", ["a", "b"]),
        ("fc,1", ["fc,1"]),
        ("a,fc,1,b", ["a", "fc,1", "b"]),
        ('a,"fc,1"', ["a", "fc,1"]),
        ("a,zz", ["a", "zz"]),
    ],
)
def test_a_name_may_have_a_comma(text, names):
    assert layers_named(text, NETWORK) == names


def test_a_quote_that_is_not_closed_is_refused():
    with pytest.raises(InputError, match="expected names separated by commas"):
        layers_named('"fc,1', NETWORK)
