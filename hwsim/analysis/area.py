"""Area of the arithmetic units and memories of a chip, compared with its die.

Areas of arithmetic units come from a 45 nm table, areas of memories from CACTI. Both are scaled to the
chip's node by the area table of the scaling rule. Wires, control, pads and PHYs are not counted, so the sum
should be well below the die area.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.machine.area import parts_of

if TYPE_CHECKING:
    import pandas as pd

    from hwsim.machine.chip import Chip
    from hwsim.workload.layer import Arithmetic


def area_of(chip: Chip, arithmetic: Arithmetic) -> pd.DataFrame:
    """Area of what the chip file describes.

    Parameters
    ----------
    chip : Chip
    arithmetic : str
        What its MACs multiply: a chip file does not say.

    Returns
    -------
    DataFrame
        component, count, mm2_each, mm2 and share of the die, one row per component.

    Raises
    ------
    InputError
        If no area is known for the arithmetic or a memory lies outside the CACTI table.
    """
    import pandas as pd

    rows = [(part.component, part.count, part.mm2_each, part.mm2) for part in parts_of(chip, arithmetic)]
    table = pd.DataFrame(rows, columns=["component", "count", "mm2_each", "mm2"])
    table["share"] = table["mm2"] / chip.process.die_mm2
    return table
