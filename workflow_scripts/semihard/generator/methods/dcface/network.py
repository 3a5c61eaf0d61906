"""DCFace's network (CVPR 2023): a denoiser with two conditions, who (X_id) and how (X_sty)."""

import torch
from diffusers import DDPMScheduler
from torch import nn
from torch.fx import Graph, GraphModule
from torch.fx.passes.shape_prop import ShapeProp

from semihard.generator.network import Denoiser
from semihard.generator.samplers import Predict
from semihard.recognizer.backbone import build_backbone
from semihard.similarity.embedders import Embedder

DROPOUT = 0.3
EPSILON = 1e-5  # keeps the slope of the square root finite where a cell is of one colour


class StyleFeatures:
    """The frozen early layers of an embedder: they see texture, light and pose, identity comes with depth.

    They end with the last tensor that everything after it depends on alone (so no skip connection is cut) and whose
    side is above a third of the input's: half of it. That is 64 × 56 × 56 of an IResNet at 112 pixels, the paper's,
    and is found in the traced graph, so it holds for every backbone, whatever its layers are called.
    Attribute: channels C.
    """

    def __init__(self, embedder: Embedder):
        self.prepare = embedder.prepare
        self.layers, self.channels = early_layers(embedder.backbone, embedder.spec.image_size)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Feature maps `[n, C, h, w]` of RGB images in [−1, 1] `[n, 3, s, s]`."""
        return self.layers(self.prepare(x))


def early_layers(backbone: GraphModule, image_size: tuple[int, int]) -> tuple[GraphModule, int]:
    """The layers of a traced backbone for inputs of `image_size` (height, width) up to half its side; their channels."""
    device = next(backbone.parameters()).device
    ShapeProp(backbone).propagate(torch.zeros(1, 3, *image_size, device=device))
    place = {node: i for i, node in enumerate(backbone.graph.nodes)}
    last, last_use = 0, 0  # last_use: of all that was made before the node
    channels = 3
    for node, i in place.items():
        shape = getattr(node.meta.get("tensor_meta"), "shape", ())
        if last_use <= i and len(shape) == 4 and 3 * shape[-1] > image_size[1]:
            last, channels = i, shape[1]
        last_use = max([last_use, *(place[user] for user in node.users)])
    graph, copies = Graph(), {}
    for node in list(place)[: last + 1]:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[node])
    return GraphModule(backbone, graph), channels


class StyleExtractor(nn.Module):
    """E_sty: feature maps to k² + 1 tokens, a weighted sum of mean and standard deviation of each grid cell.

    What is kept of the style has no finer place than a cell, so that the face cannot be copied from it (DCFace: k = 5).
    """

    def __init__(self, style_channels: int, width: int, style_grid: int):
        super().__init__()
        self.style_grid = style_grid
        self.project = nn.Sequential(
            nn.Dropout(DROPOUT), nn.ReLU(), nn.Conv2d(style_channels, width, 1), nn.BatchNorm2d(width)
        )
        self.weight = nn.Parameter(torch.full((2, width), 0.5))
        self.position = nn.Parameter(0.02 * torch.randn(style_grid**2 + 1, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, style: torch.Tensor) -> torch.Tensor:
        """Tokens `[n, k² + 1, width]`, the whole image's first, of feature maps `[n, style_channels, h, w]`."""
        mean, std = grid_statistics(self.project(style).float(), self.style_grid)
        tokens = self.weight[0] * mean + self.weight[1] * std + self.position
        return self.norm(tokens.to(self.weight.dtype))  # weights that are no float32 are counted (generator.cost)


def grid_statistics(features: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of the whole map, then of each cell of a k × k grid row by row: `[n, k² + 1, c]` both.

    features: float32 `[n, c, h, w]`. A cell is ⌊i h / k⌋ … ⌈(i + 1) h / k⌉: neighbours share a line where k does not
    divide the side (DCFace resizes the map instead).
    """

    def means(values: torch.Tensor) -> torch.Tensor:
        cells = [nn.functional.adaptive_avg_pool2d(values, grid).flatten(2) for grid in (1, k)]
        return torch.cat(cells, 2).transpose(1, 2)

    mean = means(features)
    variance = (means(features.square()) - mean.square()).clamp(min=0)
    return mean, (variance + EPSILON).sqrt()


class IdentityExtractor(nn.Module):
    """E_id: a recognition network trained with the denoiser; one token is its vector f_id, the others its last map.

    extractor: the backbone (of "dcface_112" the ResNet-50 of face recognition, 7 × 7 + 1 tokens of 512 at 112 pixels).
    """

    def __init__(self, extractor: str, image_size: int, width: int):
        super().__init__()
        *layers, self.fc, self.features = build_backbone(extractor, (image_size, image_size), width).children()
        self.layers = nn.Sequential(*layers)
        places = (-(-image_size // 16)) ** 2  # of its last map
        channels = self.fc.in_features // places
        self.narrow = nn.Identity() if channels == width else nn.Linear(channels, width)
        self.position = nn.Parameter(0.02 * torch.randn(places + 1, width))

    def forward(self, x_id: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens `[n, k, width]` and f_id `[n, width]` of RGB images in [−1, 1] `[n, 3, s, s]`."""
        last = self.layers(x_id)
        f_id = self.features(self.fc(last.flatten(1)))
        return torch.cat([f_id[:, None], self.narrow(last.flatten(2).transpose(1, 2))], 1) + self.position, f_id


class DCFaceUNet(Denoiser):
    """ε′ = net(x_t, t, E_id(X_id), E_sty(X_sty)) (DCFace, CVPR 2023).

    style_grid: k; style_channels: C of `StyleFeatures`; extractor: the backbone of E_id. The tokens of both extractors
    are keys and values of every attention there is: DCFace's enter at the last level that halves, these in the middle and
    in its mirror as well. f_id, times a scalar that starts at 0.001, is added to the time embedding. Tokens are as long
    as the U-Net's `token_dim`, DCFace's 512 in "dcface_112"; where the time embedding is longer, f_id fills its
    beginning. "dcface_112": 139.6 M parameters, 6.4 GMAC a condition and 38.5 GMAC a step at 112 pixels.
    Raises InputError as `Denoiser` does. Both extractors hold batch norms, E_sty a dropout too: in training a prediction
    depends on the batch, or the part of one, that its image is in.
    """

    def __init__(
        self,
        network: str,
        image_size: int,
        schedule: DDPMScheduler,
        style_grid: int,
        style_channels: int,
        extractor: str,
    ):
        super().__init__(network, image_size, schedule, added=True)
        self.E_id = IdentityExtractor(extractor, image_size, self.token_dim)
        self.E_sty = StyleExtractor(style_channels, self.token_dim, style_grid)
        self.adapter = nn.Linear(self.token_dim, self.token_dim)
        self.scale = nn.Parameter(torch.tensor(0.001))

    def tokens(self, x_id: torch.Tensor, style: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What `predict` takes, of images X_id `[n, 3, s, s]` and the style features of X_sty `[n, C, h, w]`:
        tokens `[n, k, token_dim]` and what is added to the time embedding `[n, time_dim]`."""
        identity, f_id = self.E_id(x_id)
        tokens = self.adapter(torch.cat([identity, self.E_sty(style)], 1))
        return tokens, nn.functional.pad(self.scale * f_id, (0, self.time_dim - self.token_dim))

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, x_id: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """Predicted noise ε′ `[n, 3, s, s]`.

        x_t: `[n, 3, s, s]`; t: int64 `[n]`; x_id: who, RGB in [−1, 1] `[n, 3, s, s]`; style: how, `[n, C, h, w]`.
        """
        return self.predict(x_t, t, *self.tokens(x_id, style))


def condition(network: DCFaceUNet, style_features: StyleFeatures, x_id: torch.Tensor, x_sty: torch.Tensor) -> Predict:
    """ε′(x_t, t) for sampling: X_id and X_sty, both RGB in [−1, 1] `[n, 3, s, s]`, are looked at once, not at every t."""
    tokens, added = network.tokens(x_id, style_features(x_sty))
    return lambda x_t, t: network.predict(x_t, t, tokens, added)
