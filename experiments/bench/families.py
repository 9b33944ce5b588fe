"""Families of networks as PyTorch exports them: do they come in, and with onnxruntime's answers?

``python -m experiments.bench.families FOLDER`` exports each family with random weights, with PyTorch's
default exporter and its older one. It imports and executes the files, and writes ``FOLDER/families.csv``. It
needs torch, torchvision, transformers, timm and onnxscript beside the extra `hwsim[onnx]`. A file that is
there is not exported again.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from compress.format.execution import executable
from compress.interop.model import import_model
from compress.lowering import workload_of
from experiments.bench import family_modules
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Made = tuple[Any, tuple[Any, ...]]
    """A module and the inputs to export it with."""

EXPORTERS: dict[str, dict[str, Any]] = {
    "default": {"dynamo": True},
    "older": {"dynamo": False, "opset_version": 17},
}
"""Arguments of ``torch.onnx.export`` by exporter."""

SMALL = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "vocab_size": 64, "max_position_embeddings": 64,
}  # fmt: skip
GROUPED = {**SMALL, "num_key_value_heads": 2}
PATCHES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip

CLASSIFIERS = {
    "ResNet": "resnet18", "MobileNet v2": "mobilenet_v2", "MobileNet v3": "mobilenet_v3_small",
    "EfficientNet": "efficientnet_b0", "DenseNet": "densenet121", "SqueezeNet": "squeezenet1_1",
    "ShuffleNet": "shufflenet_v2_x0_5", "RegNet": "regnet_y_400mf", "ConvNeXt": "convnext_tiny",
    "MnasNet": "mnasnet0_5", "Swin": "swin_t",
}  # fmt: skip
"""Models of torchvision by family."""

SEGMENTERS = {
    "DeepLabV3": "deeplabv3_mobilenet_v3_large",
    "FCN": "fcn_resnet50",
    "LR-ASPP": "lraspp_mobilenet_v3_large",
}

IMAGE_MODELS = {
    "GhostNet": ("ghostnet_050", 64), "HRNet": ("hrnet_w18_small", 64), "LeViT": ("levit_128s", 224),
    "EfficientViT": ("efficientvit_m0", 224), "MLP-Mixer": ("mixer_s32_224", 224),
    "MobileViT": ("mobilevit_xxs", 128),
}  # fmt: skip
"""Models of timm and the side of their images, by family."""

LANGUAGE: dict[str, tuple[str, dict[str, Any]]] = {
    "GPT-2": ("GPT2", {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 64, "n_positions": 64}),
    "Llama": ("Llama", GROUPED),
    "Qwen2": ("Qwen2", GROUPED),
    "Phi": ("Phi", SMALL),
    "Gemma": ("Gemma", {**GROUPED, "head_dim": 8}),
    "BERT": ("Bert", SMALL),
    "RoBERTa": ("Roberta", SMALL),
    "ALBERT": ("Albert", {**SMALL, "embedding_size": 16}),
    "DeBERTa": ("DebertaV2", {**SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}),
    "DistilBERT": (
        "DistilBert",
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "vocab_size": 64},
    ),
}
"""Models of transformers that read tokens: the beginning of their classes, and a small configuration."""

FAMILIES: dict[str, Callable[[], Made]] = {
    **{name: partial(family_modules.classifier, model) for name, model in CLASSIFIERS.items()},
    **{name: partial(family_modules.segmenter, model) for name, model in SEGMENTERS.items()},
    **{name: partial(family_modules.image_model, *model) for name, model in IMAGE_MODELS.items()},
    **{name: partial(family_modules.language, *model) for name, model in LANGUAGE.items()},
    "ViT": partial(family_modules.vision, "ViT", "ViTModel", PATCHES, 32),
    "CLIP": partial(family_modules.vision, "CLIPVision", "CLIPVisionModel", PATCHES, 32),
    "SegFormer": partial(family_modules.vision, "Segformer", "SegformerForSemanticSegmentation", {}, 64),
    "T5": family_modules.t5,
    "Whisper": family_modules.whisper,
    "wav2vec2": family_modules.wav2vec2,
    "LSTM": partial(family_modules.recurrent, "LSTM", num_layers=2),
    "BiLSTM": partial(family_modules.recurrent, "LSTM", bidirectional=True),
    "GRU": partial(family_modules.recurrent, "GRU", bidirectional=True),
    "U-Net, transposed": partial(family_modules.unet, "transposed"),
    "U-Net, bilinear": partial(family_modules.unet, "bilinear"),
    "U-Net, nearest": partial(family_modules.unet, "nearest"),
    "ESPCN": family_modules.espcn,
    "DGCNN": family_modules.dgcnn,
}
"""What makes a small network of each family, with random weights."""


class Row(NamedTuple):
    """One family through one exporter.

    Parameters
    ----------
    family, exporter : str
    outcome : str
        ``same`` answers, ``different`` ones, ``refused``, or ``not exported``.
    error : float
        Largest difference from onnxruntime, relative to the largest answer.
    layers : int
        Layers of the simulated workload.
    macs : int
        Of one item.
    reason : str
        First line of what PyTorch or the import says where there are no answers.
    """

    family: str
    exporter: str
    outcome: str
    error: float = float("nan")
    layers: int = 0
    macs: int = 0
    reason: str = ""


MOST_ERROR = 1e-4
"""Relative difference up to which answers are the same."""


def main(folder: Path) -> None:
    """Export, import and execute all families, and write the table."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row(folder, family, exporter) for family in FAMILIES for exporter in EXPORTERS]
    pd.DataFrame(rows).to_csv(folder / "families.csv", index=False, float_format="%.2g")


def row(folder: Path, family: str, exporter: str) -> Row:
    """Return the row of one family and exporter; files are kept in `folder`."""
    stem = family.lower().replace(" ", "_").replace(",", "")
    path = folder / f"{stem}.{exporter}.onnx"
    try:
        inputs = _exported(path, folder / f"{stem}.{exporter}.npz", family, exporter)
    except Exception as failure:  # whatever PyTorch raises is its answer
        return Row(family, exporter, "not exported", reason=_first_line(failure))
    try:
        artifact = import_model(path)
        network = executable(artifact)
        extra = dict(zip(network.extra_inputs, inputs[1:], strict=True))
        found = list(network.run(inputs[0], extra=extra).values())
        workload = workload_of(artifact)
    except InputError as refusal:
        return Row(family, exporter, "refused", reason=_first_line(refusal))
    error = max(map(_difference, found, _expected(path, inputs)))
    outcome = "same" if error <= MOST_ERROR else "different"
    return Row(family, exporter, outcome, error, len(workload.layers), workload.macs)


def _exported(path: Path, kept: Path, family: str, exporter: str) -> list[NDArray[Any]]:
    """Export a family unless its file is there; return its inputs."""
    import torch

    if not path.exists():
        torch.manual_seed(0)
        module, inputs = FAMILIES[family]()
        np.savez(kept, *(one.numpy() for one in inputs))
        torch.onnx.export(module.eval(), inputs, path, **EXPORTERS[exporter])
    with np.load(kept) as arrays:
        return [arrays[name] for name in arrays.files]


def _expected(path: Path, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Answers of onnxruntime on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(path, options)
    feeds = {one.name: value for one, value in zip(session.get_inputs(), inputs, strict=True)}
    answers: list[NDArray[Any]] = session.run(None, feeds)
    return answers


def _difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), np.finfo(np.float32).tiny))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
