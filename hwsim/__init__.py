"""Simulate deep-learning accelerators that execute real compressed networks.

The names in ``__all__`` are the public interface. Each is loaded when it is first used.
"""

from typing import TYPE_CHECKING

from hwsim.lazy import lazy

__all__ = [
    "AuditError",
    "Chip",
    "EnergyTable",
    "InputError",
    "Layer",
    "Report",
    "Workload",
    "__version__",
    "chips",
    "load_chip",
    "load_network",
    "network_stages",
    "networks",
    "register_array",
    "simulate",
]

if TYPE_CHECKING:
    from hwsim.arrays import register_array
    from hwsim.energy.table import EnergyTable
    from hwsim.errors import AuditError, InputError
    from hwsim.machine.chip import Chip, chips, load_chip
    from hwsim.report import Report
    from hwsim.run import simulate
    from hwsim.version import __version__
    from hwsim.workload.layer import Layer, Workload
    from hwsim.workload.networks import load_network, network_stages, networks
else:
    __getattr__, __dir__ = lazy(
        globals(),
        {
            "AuditError": "hwsim.errors",
            "Chip": "hwsim.machine.chip",
            "EnergyTable": "hwsim.energy.table",
            "InputError": "hwsim.errors",
            "Layer": "hwsim.workload.layer",
            "Report": "hwsim.report",
            "Workload": "hwsim.workload.layer",
            "__version__": "hwsim.version",
            "chips": "hwsim.machine.chip",
            "load_chip": "hwsim.machine.chip",
            "load_network": "hwsim.workload.networks",
            "network_stages": "hwsim.workload.networks",
            "networks": "hwsim.workload.networks",
            "register_array": "hwsim.arrays",
            "simulate": "hwsim.run",
        },
    )
