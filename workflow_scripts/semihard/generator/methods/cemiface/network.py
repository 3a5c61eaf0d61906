"""CemiFace's denoiser."""

import torch
from diffusers import DDPMScheduler
from torch import nn

from semihard.generator.network import Denoiser
from semihard.generator.sizes import SIZES


class SimilarityUNet(Denoiser):
    """ε′ = net(x_t, t, C_att), C_att = F2(concat(C_id, F1(m))) (CemiFace Eqs. 5–8).

    embedding_dim: D. "dcface_112" has 96.2 M parameters with a 512-d embedding, "small_64" 73.5 M, "tiny" 1.7 M with a
    128-d one. In the small ones F2 takes F1(m) + m C_id in place of F1(m), so that "less of this person" need not be
    learned as a function of two inputs, and a function of what F2 takes is added to the time embedding as well, as DCFace
    does with its f_id: attention alone takes longer to learn than a CPU has (docs/results.md).
    """

    def __init__(self, network: str, image_size: int, schedule: DDPMScheduler, embedding_dim: int):
        super().__init__(network, image_size, schedule, added=SIZES[network].shape.added)
        self.embedding_dim, self.tokens = embedding_dim, self.shape.tokens
        width = 2 * embedding_dim
        layers = (nn.Linear(width, width), nn.SiLU(), nn.Linear(width, self.time_dim))
        self.adding = nn.Sequential(*layers) if self.shape.added else None
        self.F1 = nn.Linear(1, embedding_dim)
        self.F2 = nn.Linear(2 * embedding_dim, self.tokens * self.token_dim)

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, identity: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        """Predicted noise ε′ `[n, 3, s, s]`.

        x_t: `[n, 3, s, s]`; t: int64 `[n]`; identity C_id: unit embeddings `[n, D]`; m: requested similarity `[n]`.
        """
        C_id = identity * self.embedding_dim**0.5  # unit variance per entry, the scale of F1(m)
        C_sim = self.F1(m[:, None])
        if self.adding is None:
            return self.predict(x_t, t, self.F2(torch.cat([C_id, C_sim], 1)).unflatten(1, (self.tokens, -1)))
        both = torch.cat([C_id, C_sim + m[:, None] * C_id], 1)
        return self.predict(x_t, t, self.F2(both).unflatten(1, (self.tokens, -1)), self.adding(both))
