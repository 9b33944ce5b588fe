"""Small networks of many families with random weights, each with the inputs to export it with.

Every function returns a PyTorch module and a tuple of tensors; the libraries are imported when they are used.
"""

from __future__ import annotations

from typing import Any

Made = tuple[Any, tuple[Any, ...]]

TOKENS, VOCABULARY = 8, 50


def _image(side: int) -> tuple[Any, ...]:
    import torch

    return (torch.randn(1, 3, side, side),)


def _tokens() -> tuple[Any, ...]:
    import torch

    return (torch.randint(0, VOCABULARY, (1, TOKENS)),)


def _picked(module: Any, key: int | str, **arguments: Any) -> Any:
    """Module that gives one of the outputs of another."""
    import torch

    class Picked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, x: Any) -> Any:
            return self.module(x, **arguments)[key]

    return Picked()


def classifier(model: str) -> Made:
    """Return a classifier of torchvision."""
    import torchvision

    return getattr(torchvision.models, model)(weights=None), _image(64)


def segmenter(model: str) -> Made:
    """Return a segmentation network of torchvision."""
    import torchvision

    made = getattr(torchvision.models.segmentation, model)(weights=None, weights_backbone=None)
    return _picked(made, "out"), _image(64)


def image_model(model: str, side: int) -> Made:
    """Return a model of timm for images of `side` pixels."""
    import timm

    return timm.create_model(model, pretrained=False), _image(side)


def language(family: str, settings: dict[str, Any]) -> Made:
    """Return a model of transformers that reads tokens."""
    import transformers

    config = getattr(transformers, f"{family}Config")(**settings)
    cached = {"use_cache": False} if hasattr(config, "use_cache") else {}
    return _picked(getattr(transformers, f"{family}Model")(config), 0, **cached), _tokens()


def vision(config: str, model: str, settings: dict[str, Any], side: int) -> Made:
    """Return a model of transformers that reads images of `side` pixels."""
    import transformers

    made = getattr(transformers, model)(getattr(transformers, f"{config}Config")(**settings))
    return _picked(made, 0), _image(side)


def t5() -> Made:
    """Return the encoder of a T5."""
    import transformers as t

    config = t.T5Config(d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, vocab_size=64)
    return _picked(t.T5EncoderModel(config), 0), _tokens()


def whisper() -> Made:
    """Return the encoder of a Whisper."""
    import torch
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    config = WhisperConfig(
        d_model=32, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=64, num_mel_bins=16,
        max_source_positions=20,
    )  # fmt: skip
    return _picked(WhisperEncoder(config), 0), (torch.randn(1, 16, 40),)


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


def unet(kind: str) -> Made:
    """Return a U-Net of one level, with one of three ways up."""
    import torch
    from torch import nn

    ups = {
        "transposed": nn.ConvTranspose2d(16, 8, 2, 2),
        "bilinear": nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(16, 8, 1)),
        "nearest": nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(16, 8, 1)),
    }

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.SiLU())
            self.down, self.up, self.last = nn.Conv2d(8, 16, 3, 2, 1), ups[kind], nn.Conv2d(16, 2, 1)

        def forward(self, x: Any) -> Any:
            first = self.first(x)
            return self.last(torch.cat([first, self.up(torch.relu(self.down(first)))], 1)).softmax(1)

    return UNet(), _image(32)


def espcn() -> Made:
    """Return a sub-pixel convolution network (Shi et al. 2016)."""
    from torch import nn

    return nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.Tanh(), nn.PixelShuffle(2)), _image(16)


def dgcnn() -> Made:
    """Return an edge convolution over the nearest neighbours of points (Wang et al. 2019)."""
    import torch
    from torch import nn

    neighbours = 4

    class EdgeConvolution(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.edges = nn.Conv2d(6, 16, 1)

        def forward(self, x: Any) -> Any:
            lengths = (x * x).sum(1, keepdim=True)
            near = (2 * x.transpose(2, 1) @ x - lengths - lengths.transpose(2, 1)).topk(neighbours, -1)[1]
            items, channels, points = x.shape
            whole = x.unsqueeze(2).expand(items, channels, points, points)
            index = near.unsqueeze(1).expand(items, channels, points, neighbours)
            own = x.unsqueeze(3).expand(items, channels, points, neighbours)
            return self.edges(torch.cat([torch.gather(whole, 3, index) - own, own], 1)).amax(3)

    return EdgeConvolution(), (torch.randn(1, 3, 16),)
