"""The scaling rules against what is published: constants at both nodes, and claims for whole processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.energy.claims import claims
from hwsim.energy.scaling import energy_factor
from hwsim.energy.table import CONFIDENCE, published_trend

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


def trend_vs_claims() -> pd.DataFrame:
    """Compare the published trend with what foundries and a vendor say of whole processes.

    Returns
    -------
    DataFrame
        older, newer (names of the processes), older_nm, newer_nm, kind (``foundry`` or ``vendor``), claimed
        (power of the newer one at the same speed, relative to the older one), trend (the same for the energy
        of a mean operation by `hwsim.energy.trend`), source and confidence.
    """
    import pandas as pd

    mean = published_trend().mean_exponent
    rows = []
    for row in claims():
        older_nm, newer_nm = row.number("older_nm"), row.number("newer_nm")
        rows.append(
            {
                "older": row.text("older"),
                "newer": row.text("newer"),
                "older_nm": older_nm,
                "newer_nm": newer_nm,
                "kind": row.text("kind", ("foundry", "vendor")),
                "claimed": row.number("power"),
                "trend": (newer_nm / older_nm) ** mean,
                "source": row.text("source"),
                "confidence": row.text("confidence", CONFIDENCE),
            }
        )
    return pd.DataFrame(rows)
