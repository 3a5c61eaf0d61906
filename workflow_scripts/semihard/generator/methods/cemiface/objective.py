"""CemiFace's objective (NeurIPS 2024, Sec. 3.2, Eqs. 3 and 10–14) in the paper's symbols."""

import logging

import torch
from torch import nn

from semihard.generator.methods.cemiface.same_identity import SameIdentity
from semihard.generator.methods.cemiface.settings import CemiFaceGenerator
from semihard.generator.methods.cemiface.similarity_range import SimilarityRange
from semihard.generator.objective import denoising_loss, noise_schedule, one_step_estimate
from semihard.similarity.embedders import Embedder
from semihard.storage.faceset import FaceSet

log = logging.getLogger("semihard")


def conditions_from(settings: CemiFaceGenerator, faces: FaceSet) -> SameIdentity | None:
    """What draws the images that the conditions are of, None where each image's own embedding is its condition."""
    if settings.condition == "own_image":
        return None
    drawn = SameIdentity(faces.identity)
    log.info(
        "%d of %d images have another of their identity to be conditioned on; the rest, their own embedding",
        drawn.paired, len(faces),
    )  # fmt: skip
    return drawn if drawn.paired else None


def achieved_similarity(identity: torch.Tensor, embedding: torch.Tensor, measure: str) -> torch.Tensor:
    """What m is compared with `[n]`: the cosine of two embeddings `[n, D]`, or 1 − the distance of their unit vectors."""
    if measure == "cosine":
        return nn.functional.cosine_similarity(identity, embedding)
    difference = nn.functional.normalize(identity) - nn.functional.normalize(embedding)
    return 1 - (difference.square().sum(1) + 1e-12).sqrt()  # the slope of a root is infinite at 0


def similarity_losses(achieved: torch.Tensor, m: torch.Tensor, gamma_t: torch.Tensor) -> dict[str, torch.Tensor]:
    """Per sample `[n]`: L_rec = (1 − cos)², L_sim = (m − cos)² and L_SimMat = (1 − γ_t) L_rec + γ_t L_sim.

    achieved: cos(E(x), E(x̂0)); m: the similarity asked for; gamma_t: t / T. At t = 0 the identity is to be reproduced,
    at t = T the similarity obeyed.
    """
    loss_rec, loss_sim = (1 - achieved).square(), (m - achieved).square()
    return {"loss_rec": loss_rec, "loss_sim": loss_sim, "loss_simmat": (1 - gamma_t) * loss_rec + gamma_t * loss_sim}


def time_weight(gamma: str, t: torch.Tensor, timesteps: int) -> torch.Tensor:
    """γ_t, float32 `[n]`, of t int64 `[n]`: "linear" t / T, "half" ½, "one" 1."""
    return (
        t / timesteps if gamma == "linear" else torch.full(t.shape, {"half": 0.5, "one": 1.0}[gamma], device=t.device)
    )


class CemiFaceObjective:
    """L = L_MSE + λ L_SimMat: an image is denoising target, identity condition and similarity anchor at once, or
    (`condition: same_identity`) another image of the same person is condition and anchor.

    embeddings: E(x) of all images, unit, float32 `[N, D]` on the CPU; embedder: E, frozen, on `device`; same_identity:
    draws the images whose embeddings are the conditions, None where each image's own is (the paper).
    """

    def __init__(
        self,
        settings: CemiFaceGenerator,
        embeddings: torch.Tensor,
        embedder: Embedder,
        device: torch.device,
        same_identity: SameIdentity | None = None,
    ):
        self.settings, self.embeddings, self.embedder, self.device = settings, embeddings, embedder, device
        self.same_identity = same_identity
        self.schedule = noise_schedule(settings.timesteps, settings.beta_start, settings.beta_end)
        self.abar = self.schedule.alphas_cumprod = self.schedule.alphas_cumprod.to(device)
        trained_on = SimilarityRange(settings.m_min, settings.m_max, settings.m_step)
        self.grid = trained_on.grid().to(device) if settings.m_step else None

    def draw(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """ "identity" C_id `[B, D]`, E(x) or that of another image, and "m" `[B]`, uniform over the grid, or over its range
        without one."""
        if self.grid is None:
            m = torch.empty(len(rows), device=self.device).uniform_(self.settings.m_min, self.settings.m_max)
        else:
            m = self.grid[torch.randint(len(self.grid), (len(rows),), device=self.device)]
        shown = rows if self.same_identity is None else self.same_identity.draw(rows)
        return {"identity": self.embeddings[shown].to(self.device), "m": m}

    def losses(
        self,
        network: nn.Module,
        x: torch.Tensor,
        t: torch.Tensor,
        eps: torch.Tensor,
        identity: torch.Tensor,
        m: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """ "loss", "loss_mse", "loss_rec" and "loss_sim" of a mini-batch; the gradient passes through the embedder.

        x may be mirrored: E(x) is that of image plus mirror image.
        """
        settings, abar_t = self.settings, self.abar[t]
        x_t = self.schedule.add_noise(x, eps, t)
        predicted = network(x_t, t, identity, m).to(x.dtype)
        loss_mse = denoising_loss(predicted, eps, abar_t, settings.mse_target, settings.weight_cap)
        k = slice(None, None, settings.guide_every)
        embedding = self.embedder(one_step_estimate(x_t[k], predicted[k], abar_t[k]))
        gamma_t = time_weight(settings.gamma, t[k], settings.timesteps)
        losses = similarity_losses(achieved_similarity(identity[k], embedding, settings.measure), m[k], gamma_t)
        return {
            "loss": loss_mse + settings.lambda_ * losses["loss_simmat"].mean(),
            "loss_mse": loss_mse,
            "loss_rec": losses["loss_rec"].mean(),
            "loss_sim": losses["loss_sim"].mean(),
        }
