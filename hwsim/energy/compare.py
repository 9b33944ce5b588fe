"""The scaling rule against constants that were measured at both nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.energy.scaling import energy_factor

if TYPE_CHECKING:
    import pandas as pd

    from hwsim.energy.table import EnergyTable


def rule_vs_measured(base: EnergyTable, measured: EnergyTable) -> pd.DataFrame:
    """Compare the scaling rule with a measured table, for every action in both tables.

    Actions whose energy is an estimate in either table are left out.

    Parameters
    ----------
    base, measured : EnergyTable
        For example ``45nm_horowitz`` and ``7nm``.

    Returns
    -------
    DataFrame
        action, base_pJ, rule_pJ, measured_pJ, rule_gain, measured_gain (base over new), rule_error
        (rule over measured) and low_confidence.
    """
    import pandas as pd

    rows = []
    for constant in base:
        other = measured.constants.get(constant.action)
        if other is None or "estimate" in (constant.confidence, other.confidence):
            continue
        corners = (constant.node_nm, constant.voltage_V, other.node_nm, other.voltage_V)
        if None in corners:
            continue
        factor = energy_factor(*corners)  # type: ignore[arg-type]
        rows.append(
            {
                "action": constant.action,
                "base_pJ": constant.pJ,
                "rule_pJ": constant.pJ * factor,
                "measured_pJ": other.pJ,
                "rule_gain": 1 / factor,
                "measured_gain": constant.pJ / other.pJ,
                "rule_error": constant.pJ * factor / other.pJ,
                "low_confidence": constant.low_confidence or other.low_confidence,
            }
        )
    return pd.DataFrame(rows)
