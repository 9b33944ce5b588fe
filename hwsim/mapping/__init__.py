"""How a layer is laid onto a chip: tiling, residency, steps, counts."""
