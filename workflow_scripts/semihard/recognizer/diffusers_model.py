"""A recognition network as a part of a diffusers pipeline: saved and loaded by `save_pretrained`, `from_pretrained`."""

from dataclasses import asdict

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config

from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, digest_of


class FaceEmbedder(ModelMixin, ConfigMixin):
    """A network and what it does to pixels; the arguments are those of `EmbedderSpec`. Attribute: recognizer, the network."""

    config_name = "config.json"

    @register_to_config
    def __init__(
        self,
        backbone: str,
        image_size: tuple[int, int],
        embedding_dim: int,
        options: dict | None = None,
        crop_from: tuple[int, int] | None = None,
        colour: str = "rgb",
        mean: float | tuple[float, float, float] = 127.5,
        scale: float | tuple[float, float, float] = 127.5,
    ):
        super().__init__()
        self.recognizer = build_backbone(backbone, tuple(image_size), embedding_dim, **(options or {}))

    @classmethod
    def of(cls, network: torch.nn.Module, spec: EmbedderSpec) -> "FaceEmbedder":
        """That of a network with its weights."""
        model = cls(**asdict(spec))
        model.recognizer.load_state_dict(network.state_dict())
        return model.eval().requires_grad_(False)

    @property
    def spec(self) -> EmbedderSpec:
        """What it is besides its weights."""
        return EmbedderSpec.of({name: self.config[name] for name in EmbedderSpec.__dataclass_fields__})

    @property
    def digest(self) -> str:
        """As `model_file.weights_digest` of its file."""
        return digest_of(asdict(self.spec), self.recognizer.state_dict())
