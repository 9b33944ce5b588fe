"""Small networks that no library ships, as their papers describe them, with random weights.

Every function returns a PyTorch module and a tuple of tensors for one item.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

Made = tuple[Any, tuple[Any, ...]]


def unet(kind: str) -> Made:
    """Return a U-Net of one level (Ronneberger et al. 2015), with one of three ways up."""
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

    return UNet(), (torch.randn(1, 3, 32, 32),)


def diffusion() -> Made:
    """Return a U-Net that predicts noise from an image and a time step (Ho et al. 2020)."""
    import math

    import torch
    from torch import nn

    width = 16

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.one = nn.Sequential(nn.GroupNorm(4, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, 1, 1))
            self.time = nn.Linear(width, outputs)
            self.two = nn.Sequential(
                nn.GroupNorm(4, outputs), nn.SiLU(), nn.Conv2d(outputs, outputs, 3, 1, 1)
            )
            self.skip = nn.Conv2d(inputs, outputs, 1)

        def forward(self, x: Any, time: Any) -> Any:
            return self.skip(x) + self.two(self.one(x) + self.time(time)[:, :, None, None])

    class Noise(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            self.first, self.left, self.middle = nn.Conv2d(3, 8, 3, 1, 1), Block(8, 8), Block(8, 16)
            self.down, self.norm = nn.Conv2d(8, 8, 3, 2, 1), nn.GroupNorm(4, 16)
            self.attend = nn.MultiheadAttention(16, 2, batch_first=True)
            self.up, self.right, self.last = (
                nn.ConvTranspose2d(16, 8, 4, 2, 1),
                Block(16, 8),
                nn.Conv2d(8, 3, 1),
            )

        def forward(self, x: Any, step: Any) -> Any:
            rates = torch.exp(torch.arange(width // 2) * (-math.log(10000) / (width // 2)))
            angles = step[:, None].float() * rates
            time = self.time(torch.cat([angles.sin(), angles.cos()], 1))
            left = self.left(self.first(x), time)
            middle = self.middle(self.down(left), time)
            items, channels, height, columns = middle.shape
            rows = self.norm(middle).flatten(2).transpose(1, 2)
            seen = self.attend(rows, rows, rows, need_weights=False)[0]
            middle = middle + seen.transpose(1, 2).reshape(items, channels, height, columns)
            return self.last(self.right(torch.cat([left, self.up(middle)], 1), time))

    return Noise(), (torch.randn(1, 3, 16, 16), torch.tensor([7]))


def espcn() -> Made:
    """Return a sub-pixel convolution network (Shi et al. 2016)."""
    import torch
    from torch import nn

    layers = [nn.Conv2d(1, 16, 5, padding=2), nn.Tanh(), nn.Conv2d(16, 8, 3, padding=1), nn.Tanh()]
    return nn.Sequential(*layers, nn.Conv2d(8, 9, 3, padding=1), nn.PixelShuffle(3)), (
        torch.randn(1, 1, 16, 16),
    )


def style_transfer() -> Made:
    """Return a network of residual blocks with instance normalization (Johnson et al. 2016)."""
    import torch
    from torch import nn

    def layer(inputs: int, outputs: int, stride: int = 1) -> Any:
        return nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(inputs, outputs, 3, stride),
            nn.InstanceNorm2d(outputs, affine=True),
        )

    class Style(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.Sequential(layer(3, 8), nn.ReLU(), layer(8, 16, 2), nn.ReLU())
            self.inner = nn.Sequential(layer(16, 16), nn.ReLU(), layer(16, 16))
            self.up = nn.Sequential(nn.Upsample(scale_factor=2), layer(16, 8), nn.ReLU(), layer(8, 3))

        def forward(self, x: Any) -> Any:
            x = self.down(x)
            return self.up(x + self.inner(x))

    return Style(), (torch.randn(1, 3, 32, 32),)


def dcgan() -> Made:
    """Return a generator of images from noise (Radford et al. 2016)."""
    import torch
    from torch import nn

    def layer(inputs: int, outputs: int, stride: int, pad: int) -> list[Any]:
        convolution = nn.ConvTranspose2d(inputs, outputs, 4, stride, pad, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]

    layers = [*layer(24, 32, 1, 0), *layer(32, 16, 2, 1), *layer(16, 8, 2, 1)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False), nn.Tanh()), (
        torch.randn(1, 24, 1, 1),
    )


def hifi_gan() -> Made:
    """Return a vocoder of transposed and dilated convolutions (Kong et al. 2020)."""
    import torch
    from torch import nn
    from torch.nn.functional import leaky_relu

    class Receptive(nn.Module):
        def __init__(self, channels: int, kernel: int) -> None:
            super().__init__()
            self.layers = nn.ModuleList(
                nn.Conv1d(channels, channels, kernel, padding=step * (kernel - 1) // 2, dilation=step)
                for step in (1, 3)
            )

        def forward(self, x: Any) -> Any:
            for each in self.layers:
                x = x + each(leaky_relu(x, 0.1))
            return x

    class Vocoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv1d(16, 32, 7, padding=3), nn.Conv1d(8, 1, 7, padding=3)
            self.ups = nn.ModuleList(nn.ConvTranspose1d(32 >> at, 16 >> at, 8, 4, 2) for at in range(2))
            self.fields = nn.ModuleList(
                nn.ModuleList(Receptive(16 >> at, kernel) for kernel in (3, 7)) for at in range(2)
            )

        def forward(self, x: Any) -> Any:
            x = self.first(x)
            for up, fields in zip(self.ups, self.fields, strict=True):
                x = up(leaky_relu(x, 0.1))
                x = sum(field(x) for field in fields) / len(fields)
            return torch.tanh(self.last(leaky_relu(x)))

    return Vocoder(), (torch.randn(1, 16, 12),)


def pointnet() -> Made:
    """Return a classifier of points with a learned rotation (Qi et al. 2017)."""
    import torch
    from torch import nn

    def shared(*widths: int) -> Any:
        pairs = pairwise(widths)
        layers = [(nn.Conv1d(a, b, 1), nn.BatchNorm1d(b), nn.ReLU()) for a, b in pairs]
        return nn.Sequential(*(each for layer in layers for each in layer))

    class PointNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.points, self.turn, self.features = shared(3, 16, 32), nn.Linear(32, 9), shared(3, 16, 32)
            self.head = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 5))

        def forward(self, x: Any) -> Any:
            turn = self.turn(self.points(x).max(2)[0]).view(-1, 3, 3) + torch.eye(3)
            turned = torch.bmm(x.transpose(2, 1), turn).transpose(2, 1)
            return self.head(self.features(turned).max(2)[0]).log_softmax(1)

    return PointNet(), (torch.randn(1, 3, 24),)


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


def yolo() -> Made:
    """Return a detector of one scale with the blocks of YOLOv8: C2f, SPPF, and boxes from distributions."""
    import torch
    from torch import nn

    bins, classes = 4, 3

    def layer(inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> Any:
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.SiLU())

    class C2f(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            half = outputs // 2
            self.first, self.last = layer(inputs, outputs), layer(3 * half, outputs)
            self.inner = nn.Sequential(layer(half, half, 3), layer(half, half, 3))

        def forward(self, x: Any) -> Any:
            left, right = self.first(x).chunk(2, 1)
            return self.last(torch.cat([left, right, right + self.inner(right)], 1))

    class SPPF(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.first, self.last = layer(channels, channels // 2), layer(2 * channels, channels)
            self.pool = nn.MaxPool2d(5, 1, 2)

        def forward(self, x: Any) -> Any:
            parts = [self.first(x)]
            for _ in range(3):
                parts.append(self.pool(parts[-1]))
            return self.last(torch.cat(parts, 1))

    class Detector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(layer(3, 8, 3, 2), layer(8, 16, 3, 2), C2f(16, 16))
            self.deep, self.up = (
                nn.Sequential(layer(16, 32, 3, 2), C2f(32, 32), SPPF(32)),
                nn.Upsample(None, 2),
            )
            self.join = C2f(48, 16)
            self.boxes, self.scores = nn.Conv2d(16, 4 * bins, 1), nn.Conv2d(16, classes, 1)
            self.register_buffer("steps", torch.arange(bins).float().view(1, bins, 1, 1))

        def forward(self, x: Any) -> Any:
            stem = self.stem(x)
            seen = self.join(torch.cat([self.up(self.deep(stem)), stem], 1))
            items, _, height, width = seen.shape
            spread = self.boxes(seen).view(items, 4, bins, height * width).transpose(2, 1).softmax(1)
            near, far = (spread * self.steps).sum(1).chunk(2, 1)
            row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            centre = (torch.stack((column, row)).reshape(1, 2, -1) + 0.5).float()
            corners = centre - near, centre + far
            boxes = torch.cat([(corners[0] + corners[1]) / 2, corners[1] - corners[0]], 1) * 4
            return torch.cat([boxes, self.scores(seen).flatten(2).sigmoid()], 1)

    return Detector(), (torch.randn(1, 3, 32, 32),)
