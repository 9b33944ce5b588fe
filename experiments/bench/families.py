"""Families of networks as PyTorch exports them: do they go the whole way, with onnxruntime's answers?

``python -m experiments.bench.families FOLDER [FAMILY...]`` exports each family with random weights, with
PyTorch's default exporter and its older one, takes the files through every step of `family_steps`, and
writes ``FOLDER/families.csv``. It needs torch, torchvision, transformers, timm and onnxscript beside the
extra `hwsim[onnx]`. What a run finished is kept: files are not exported again, and only families that
stopped on the way are tried again.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from experiments.bench import family_modules, family_networks
from experiments.bench.family_steps import PASSED, Row, tried
from experiments.console import print_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
SEGFORMER = {
    "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2],
    "decoder_hidden_size": 16,
}  # fmt: skip

CLASSIFIERS: dict[str, tuple[str, dict[str, Any]]] = {
    "MobileNet v2": ("mobilenet_v2", {"width_mult": 0.25}),
    "MobileNet v3": ("mobilenet_v3_small", {"width_mult": 0.25}),
    "DenseNet": ("DenseNet", {"growth_rate": 8, "block_config": (2, 2, 2, 2), "num_init_features": 16}),
    "SqueezeNet": ("squeezenet1_1", {}),
    "ShuffleNet": ("ShuffleNetV2", {"stages_repeats": [1, 1, 1], "stages_out_channels": [8, 16, 32, 64, 64]}),
    "GoogLeNet": ("GoogLeNet", {"aux_logits": False, "init_weights": False}),
    "MnasNet": ("MNASNet", {"alpha": 0.25}),
    "Swin": (
        "SwinTransformer",
        {
            "patch_size": [4, 4], "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4],
            "window_size": [4, 4],
        },
    ),
}  # fmt: skip
"""Models of torchvision by family, and their settings."""

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
    "Mamba": (
        "Mamba",
        {"hidden_size": 16, "state_size": 4, "num_hidden_layers": 2, "vocab_size": 64, "time_step_rank": 4},
    ),
}
"""Models of transformers that read tokens: the beginning of their classes, and a small configuration."""

FAMILIES: dict[str, Callable[[], Made]] = {
    "ResNet": partial(family_modules.image_model, "test_resnet"),
    "EfficientNet": partial(family_modules.image_model, "test_efficientnet"),
    "GhostNet": partial(family_modules.image_model, "ghostnet_050"),
    "MobileViT": partial(family_modules.image_model, "mobilevit_xxs"),
    "RegNet": family_modules.regnet,
    "ConvNeXt": family_modules.convnext,
    "HRNet": family_modules.hrnet,
    "EfficientViT": partial(
        family_modules.image_class, "efficientvit_msra", "EfficientVitMsra", 128, img_size=128,
        embed_dim=(16, 32, 48), key_dim=(8, 8, 8), depth=(1, 1, 1), num_heads=(2, 2, 2),
        window_size=(4, 4, 4),
    ),
    "LeViT": partial(
        family_modules.image_class, "levit", "LevitDistilled", 64, img_size=64, embed_dim=(16, 24, 32),
        key_dim=8, depth=(1, 1, 1), num_heads=(2, 2, 2),
    ),
    "MLP-Mixer": partial(
        family_modules.image_class, "mlp_mixer", "MlpMixer", 32, img_size=32, patch_size=8, num_blocks=2,
        embed_dim=32,
    ),
    **{
        name: partial(family_modules.classifier, model, **settings)
        for name, (model, settings) in CLASSIFIERS.items()
    },
    **{name: partial(family_modules.segmenter, name) for name in ("DeepLabV3", "FCN", "LR-ASPP")},
    **{name: partial(family_modules.language, *model) for name, model in LANGUAGE.items()},
    "ViT": partial(family_modules.vision, "ViT", "ViTModel", PATCHES, 32),
    "SegFormer": partial(
        family_modules.vision, "Segformer", "SegformerForSemanticSegmentation", SEGFORMER, 64
    ),
    "CLIP": partial(family_modules.clip, SMALL, PATCHES, 32),
    "DETR": family_modules.detr,
    "RetinaNet": family_modules.retinanet,
    "Depth-Anything": family_modules.depth_anything,
    "T5": family_modules.t5,
    "Whisper": family_modules.whisper,
    "wav2vec2": family_modules.wav2vec2,
    "LSTM": partial(family_modules.recurrent, "LSTM", num_layers=2),
    "BiLSTM": partial(family_modules.recurrent, "LSTM", bidirectional=True),
    "GRU": partial(family_modules.recurrent, "GRU", bidirectional=True),
    "U-Net, transposed": partial(family_networks.unet, "transposed"),
    "U-Net, bilinear": partial(family_networks.unet, "bilinear"),
    "U-Net, nearest": partial(family_networks.unet, "nearest"),
    "diffusion U-Net": family_networks.diffusion,
    "style transfer": family_networks.style_transfer,
    "HiFi-GAN": family_networks.hifi_gan,
    "DCGAN": family_networks.dcgan,
    "ESPCN": family_networks.espcn,
    "YOLOv8-like": family_networks.yolo,
    "DGCNN": family_networks.dgcnn,
    "PointNet": family_networks.pointnet,
}  # fmt: skip
"""What makes a small network of each family, with random weights."""


def main(folder: Path, families: Sequence[str]) -> None:
    """Try families, and write the table of all that were tried so far."""
    (folder / "rows").mkdir(parents=True, exist_ok=True)
    for family in families:
        for exporter in EXPORTERS:
            kept = folder / "rows" / f"{_stem(family)}.{exporter}.csv"
            if not (kept.exists() and _read(kept).outcome == PASSED):
                pd.DataFrame([row(folder, family, exporter)]).to_csv(kept, index=False)
            found = _read(kept)
            print_line(f"{family}, {exporter}: {found.outcome} {found.reason}")
    rows = [
        _read(kept)
        for family in FAMILIES
        for exporter in EXPORTERS
        if (kept := folder / "rows" / f"{_stem(family)}.{exporter}.csv").exists()
    ]
    pd.DataFrame(rows).to_csv(folder / "families.csv", index=False, float_format="%.2g")


def row(folder: Path, family: str, exporter: str) -> Row:
    """Return the row of one family and exporter; files are kept in `folder`."""
    path = folder / f"{_stem(family)}.{exporter}.onnx"
    try:
        inputs = _exported(path, path.with_suffix(".npz"), family, exporter)
    except Exception as failure:  # whatever PyTorch raises is its answer
        path.unlink(missing_ok=True)
        return Row(family, exporter, "not exported", (str(failure).splitlines() or [repr(failure)])[0])
    return tried(family, exporter, path, inputs)


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


def _stem(family: str) -> str:
    return family.lower().replace(" ", "_").replace(",", "")


def _read(kept: Path) -> Row:
    (found,) = pd.read_csv(kept, keep_default_na=False, na_values={"error": [""]}).itertuples(index=False)
    return Row(*found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(FAMILIES))
