"""Small networks of many families, with random weights, from torchvision, timm and transformers.

Every function returns a PyTorch module and a tuple of tensors for one item. The libraries are imported when
they are used.
"""

from __future__ import annotations

from typing import Any

Made = tuple[Any, tuple[Any, ...]]

TOKENS, VOCABULARY, CLASSES = 8, 50, 10
RECURRENT = ("Mamba",)
"""Models of transformers without a mask."""


def _image(side: int) -> tuple[Any, ...]:
    import torch

    return (torch.randn(1, 3, side, side),)


def _tokens() -> Any:
    import torch

    return torch.randint(0, VOCABULARY, (1, TOKENS))


def _picked(module: Any, *keys: int | str, inputs: tuple[str, ...] = (), **arguments: Any) -> Any:
    """Module that gives one or some of the outputs of another, its inputs by name."""
    import torch

    class Picked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *x: Any) -> Any:
            if inputs:
                found = self.module(**dict(zip(inputs, x, strict=True)), **arguments)
            else:
                found = self.module(*x, **arguments)
            parts = tuple(found[key] for key in keys)
            return parts if len(parts) > 1 else parts[0]

    return Picked()


def classifier(model: str, side: int = 64, **settings: Any) -> Made:
    """Return a classifier of torchvision, a function or a class of its models."""
    import torchvision

    return getattr(torchvision.models, model)(num_classes=CLASSES, **settings), _image(side)


def image_model(model: str, side: int = 64, **settings: Any) -> Made:
    """Return a model of timm by its name."""
    import timm

    return timm.create_model(model, pretrained=False, num_classes=CLASSES, **settings), _image(side)


def image_class(module: str, name: str, side: int, **settings: Any) -> Made:
    """Return a model of timm by its class."""
    from importlib import import_module

    made = getattr(import_module(f"timm.models.{module}"), name)
    return made(num_classes=CLASSES, **settings), _image(side)


def regnet() -> Made:
    """Return a RegNet with squeeze and excitation."""
    import torchvision
    from torchvision.models.regnet import BlockParams

    blocks = BlockParams.from_init_params(depth=4, w_0=16, w_a=8.0, w_m=2.0, group_width=8, se_ratio=0.25)
    return torchvision.models.RegNet(blocks, num_classes=CLASSES), _image(64)


def convnext() -> Made:
    """Return a ConvNeXt of two stages."""
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    return ConvNeXt([CNBlockConfig(16, 32, 1), CNBlockConfig(32, None, 1)], num_classes=CLASSES), _image(64)


def hrnet() -> Made:
    """Return an HRNet whose stages have a few channels."""
    from copy import deepcopy

    from timm.models.hrnet import HighResolutionNet, cfg_cls

    config = deepcopy(cfg_cls["hrnet_w18_small"])
    for stage in range(2, 5):
        settings = config[f"stage{stage}"]
        settings["num_channels"] = tuple(8 << at for at in range(stage))
        settings["num_blocks"] = (1,) * stage
    return HighResolutionNet(config, num_classes=CLASSES, head=""), _image(64)


def segmenter(kind: str) -> Made:
    """Return a segmentation network of torchvision over a small MobileNet v3."""
    from torchvision.models import mobilenet_v3_large
    from torchvision.models._utils import IntermediateLayerGetter
    from torchvision.models.segmentation import deeplabv3, fcn, lraspp

    backbone = mobilenet_v3_large(width_mult=0.25, dilated=True)
    if kind == "LR-ASPP":
        made = lraspp._lraspp_mobilenetv3(backbone, CLASSES)
    elif kind == "DeepLabV3":
        made = deeplabv3._deeplabv3_mobilenetv3(backbone, CLASSES, None)
    else:
        last = backbone.features[-1].out_channels
        body = IntermediateLayerGetter(backbone.features, {str(len(backbone.features) - 1): "out"})
        made = fcn.FCN(body, fcn.FCNHead(last, CLASSES))
    return _picked(made, "out"), _image(64)


def retinanet() -> Made:
    """Return the network of a RetinaNet: a pyramid of features, and a head for scores and boxes."""
    import torch
    from torchvision.models import mobilenet_v2
    from torchvision.models.detection.backbone_utils import BackboneWithFPN
    from torchvision.models.detection.retinanet import RetinaNetHead

    features = mobilenet_v2(width_mult=0.25).features
    layers = {"6": "0", "13": "1"}
    channels = [features[int(name)].out_channels for name in layers]

    class RetinaNet(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pyramid = BackboneWithFPN(features, layers, channels, 16)
            self.head = RetinaNetHead(16, 3, CLASSES)

        def forward(self, x: Any) -> Any:
            found = self.head(list(self.pyramid(x).values()))
            return found["cls_logits"], found["bbox_regression"]

    return RetinaNet(), _image(64)


def language(family: str, settings: dict[str, Any]) -> Made:
    """Return a model of transformers that reads tokens, all of them: its mask is a constant.

    Without a mask, decoders look for packed sequences with an operator that the older exporter does not have.
    """
    import torch
    import transformers

    config = getattr(transformers, f"{family}Config")(**settings)
    given: dict[str, Any] = {"use_cache": False} if hasattr(config, "use_cache") else {}
    if family not in RECURRENT:
        given["attention_mask"] = torch.ones((1, TOKENS), dtype=torch.int64)
    return _picked(getattr(transformers, f"{family}Model")(config), 0, **given), (_tokens(),)


def vision(config: str, model: str, settings: dict[str, Any], side: int) -> Made:
    """Return a model of transformers that reads images of `side` pixels."""
    import transformers

    made = getattr(transformers, model)(getattr(transformers, f"{config}Config")(**settings))
    return _picked(made, 0), _image(side)


def clip(text: dict[str, Any], image: dict[str, Any], side: int) -> Made:
    """Return a CLIP: how near a text is to an image."""
    import transformers

    config = transformers.CLIPConfig(
        text_config={**text, "eos_token_id": VOCABULARY - 1}, vision_config=image, projection_dim=16
    )
    made = _picked(transformers.CLIPModel(config), "logits_per_image", inputs=("input_ids", "pixel_values"))
    return made, (_tokens(), *_image(side))


def detr() -> Made:
    """Return a DETR over a small ResNet: scores and boxes of five queries."""
    import transformers as t

    backbone = t.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], out_features=["stage4"]
    )
    config = t.DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone,
        d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=32, decoder_ffn_dim=32, num_queries=5, num_labels=3,
    )  # fmt: skip
    return _picked(t.DetrForObjectDetection(config), "logits", "pred_boxes"), _image(64)


def depth_anything() -> Made:
    """Return a Depth-Anything over a small DINOv2."""
    import transformers as t

    backbone = t.Dinov2Config(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=4, image_size=56, patch_size=14,
        out_features=[f"stage{stage}" for stage in range(1, 5)], reshape_hidden_states=False,
    )  # fmt: skip
    config = t.DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=32, neck_hidden_sizes=[8, 16, 32, 32],
        fusion_hidden_size=16, patch_size=14,
    )  # fmt: skip
    return _picked(t.DepthAnythingForDepthEstimation(config), "predicted_depth"), _image(56)


def t5() -> Made:
    """Return a T5, encoder and decoder; PyTorch's fused attention has a view that its exporter refuses."""
    import transformers as t

    config = t.T5Config(
        d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, vocab_size=64, attn_implementation="eager"
    )
    inputs = ("input_ids", "decoder_input_ids")
    return _picked(t.T5Model(config), 0, inputs=inputs, use_cache=False), (_tokens(), _tokens())


def whisper() -> Made:
    """Return a Whisper, encoder and decoder."""
    import torch
    import transformers as t

    config = t.WhisperConfig(
        d_model=32, encoder_layers=1, encoder_attention_heads=4, encoder_ffn_dim=64, num_mel_bins=16,
        max_source_positions=20, decoder_layers=1, decoder_attention_heads=4, decoder_ffn_dim=64,
        vocab_size=64, max_target_positions=16, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    )  # fmt: skip
    made = _picked(
        t.WhisperModel(config), 0, inputs=("input_features", "decoder_input_ids"), use_cache=False,
        decoder_attention_mask=torch.ones((1, TOKENS), dtype=torch.int64),
    )  # fmt: skip
    return made, (torch.randn(1, 16, 40), _tokens())


def wav2vec2() -> Made:
    """Return a wav2vec2."""
    import torch
    import transformers as t

    config = t.Wav2Vec2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, conv_dim=(16, 16),
        conv_stride=(5, 2), conv_kernel=(10, 3), num_feat_extract_layers=2, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    return _picked(t.Wav2Vec2Model(config), 0), (torch.randn(1, 800),)


def recurrent(kind: str, **settings: Any) -> Made:
    """Return a recurrent layer whose states are outputs."""
    import torch

    return getattr(torch.nn, kind)(8, 16, batch_first=True, **settings), (torch.randn(1, 7, 8),)
