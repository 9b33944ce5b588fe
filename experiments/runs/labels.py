"""Names of networks, chips and stages in words: the one look-up of sentences, figures and pages."""

import re

NETWORKS = {
    "lenet300": "LeNet-300-100", "lenet5": "LeNet-5", "alexnet": "AlexNet",
    "alexnet_fc": "fully-connected layers of AlexNet", "vgg16": "VGG-16",
    "squeezenet1_0": "SqueezeNet 1.0", "squeezenet1_1": "SqueezeNet 1.1",
    "mobilenet_v1": "MobileNet v1", "mobilenet_v2": "MobileNet v2",
    "resnet18": "ResNet-18", "resnet50": "ResNet-50", "resnet1202": "ResNet-1202",
    "lstm": "LSTM", "lstm_2x1500": "LSTM", "neural_ode": "neural ODE", "bert_base": "BERT-base",
    "llama": "Llama layer", "llama_layer_prefill": "Llama layer (prompt)",
    "llama_layer_decode": "Llama layer (one token)",
}  # fmt: skip
"""Names of networks as people write them."""

CHIPS = {
    "reference_250w": "250 W reference chip", "edge": "edge chip", "phone": "phone chip",
    "eie": "EIE", "eyeriss": "Eyeriss", "tpu_v1": "TPU v1", "tpu_v2": "TPU v2", "p40": "P40",
    "turing_t4": "T4", "l4": "L4", "a100_pcie": "A100 PCIe", "a100_sxm": "A100 SXM",
    "a100_pcie_80gb": "A100 PCIe 80 GB", "h100_pcie": "H100 PCIe", "h100_sxm": "H100 SXM",
}  # fmt: skip
"""Names of chips as people write them."""

STAGES = {
    "dense": "dense", "pruned": "pruned", "shared": "k-means shared",
    "huffman": "Huffman-coded", "int8": "INT8",
}  # fmt: skip
"""Stages of compression in a sentence."""

LIMITS = {
    "bandwidth": "memory-bound",
    "compute": "compute-bound",
    "power": "power-limited",
    "array load": "limited by loading weights into the arrays",
    "decoder": "limited by the weight decoder",
    "vector": "limited by the vector unit",
    "kernel time": "limited by the time to start kernels",
    "SRAM bandwidth": "limited by SRAM bandwidth",
    "dependencies": "limited by dependencies between layers",
}
"""What a limiter makes of a network, in a sentence."""


def network(name: str) -> str:
    """Return the name of a network in words."""
    return NETWORKS.get(name, name)


def chip(name: str) -> str:
    """Return the name of a chip in words."""
    return CHIPS.get(name, name)


RECIPES = {
    "best": "ours", "han2016": "published recipe", "small": "small", "unaugmented": "no augmentation",
    "moved": "augmented", "lenet300": "", "lenet5": "",
}  # fmt: skip
"""Parts of the names of recipes, in words; the network is left out."""


def in_words(text: str) -> str:
    """Return a text with every name of a network or a chip in words."""
    names = NETWORKS | CHIPS
    return re.sub(r"[a-z]\w*", lambda found: names.get(found[0], found[0]), text)


def recipe(name: str) -> str:
    """Return the name of a recipe in words."""
    words = [RECIPES.get(part, part) for part in name.split("-")]
    return ", ".join(word for word in words if word)
