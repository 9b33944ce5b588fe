"""The command about the shipped networks: which there are, and what the layers of one store at each stage."""

from typing import Annotated, Any

import typer

from experiments.cli.options import AsJson
from hwsim.units import engineering

OVERVIEW = ["network", "layers", "MACs", "fp32 weights", "stages", "description"]
"""Of the networks, as a table; the same as JSON has figures in place of texts."""


def networks(
    network: Annotated[str, typer.Argument(help="A shipped network, to list its layers.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the shipped networks, or what each layer of one stores at every stage."""
    from experiments.console import print_json, print_table
    from hwsim.workload.networks import PRECISIONS
    from hwsim.workload.networks import networks as shipped

    found = _layers(network) if network else [_overview(name) for name in shipped()]
    if as_json:
        print_json(found)
        return
    others = ", ".join(precision for precision in PRECISIONS if precision != "int8")
    print_table(
        shipped()[network] if network else f"Shipped networks; each also at {others}",
        list(found[0]) if network else OVERVIEW,
        [[_readable(key, value) for key, value in row.items()] for row in found],
    )


def _overview(name: str) -> dict[str, Any]:
    from hwsim.workload.networks import load_network, network_stages
    from hwsim.workload.networks import networks as shipped

    dense = load_network(name)
    return {
        "network": name,
        "layers": len(dense.layers),
        "macs": dense.macs,
        "weight_bytes": dense.weight_bits / 8,
        "stages": list(network_stages(name)),
        "description": shipped()[name],
    }


def _layers(name: str) -> list[dict[str, Any]]:
    """Rows of the layers that multiply or store: MACs, weights, and stored bytes at each stage."""
    from hwsim.workload.networks import load_network, network_stages

    stages = {stage: load_network(name, stage) for stage in network_stages(name)}
    return [
        {"layer": layer.name, "kind": layer.kind, "macs": layer.macs, "weights": layer.weight_count}
        | {f"{stage}_bytes": found.layers[index].stored_bits / 8 for stage, found in stages.items()}
        for index, layer in enumerate(stages["dense"].layers)
        if layer.macs or layer.stored_bits
    ]


def _readable(key: str, value: Any) -> str:
    if key.endswith("bytes"):
        return engineering(value, "B")
    if key in ("macs", "weights"):
        return engineering(value, "")
    return ", ".join(value) if isinstance(value, list) else str(value)
