"""Language models: from a configuration to the layers of a prefill, a decode step or a forward pass."""

from typing import TYPE_CHECKING

from hwsim.lazy import lazy

__all__ = ["decode", "forward", "model_names", "model_of", "prefill"]

if TYPE_CHECKING:
    from hwsim.workload.language.passes import decode, forward, prefill
    from hwsim.workload.language.shipped import model_names, model_of
else:
    __getattr__, __dir__ = lazy(
        globals(),
        {
            "decode": "hwsim.workload.language.passes",
            "forward": "hwsim.workload.language.passes",
            "model_names": "hwsim.workload.language.shipped",
            "model_of": "hwsim.workload.language.shipped",
            "prefill": "hwsim.workload.language.passes",
        },
    )
