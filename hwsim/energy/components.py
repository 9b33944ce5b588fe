"""The components of the machine that energy is told by."""

COMPONENTS: dict[str, tuple[str, str]] = {
    "dram": ("DRAM", "#D55E00"),
    "sram": ("SRAM and wires", "#E69F00"),
    "scratchpad": ("scratchpads", "#F0E442"),
    "register": ("registers", "#56B4E9"),
    "mac": ("MACs", "#0072B2"),
    "vector": ("vector unit", "#CC79A7"),
    "decoder": ("decoder", "#009E73"),
    "static": ("leakage and standby", "#8C8C8C"),
}
"""Label and colour of each component, in the order bars are stacked."""
