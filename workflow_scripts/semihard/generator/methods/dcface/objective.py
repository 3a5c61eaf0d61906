"""DCFace's training objective (CVPR 2023): two images of a person, one to be made and one to say who it is."""

import numpy as np
import torch
from torch import nn

from semihard.compute.tensors import to_float
from semihard.errors import InputError
from semihard.generator.methods.dcface.network import StyleFeatures
from semihard.generator.methods.dcface.settings import DCFaceGenerator
from semihard.generator.objective import denoising_loss, noise_schedule, one_step_estimate
from semihard.similarity.embedders import Embedder
from semihard.storage.faceset import FaceSet

ROWS = 8192  # embeddings in double precision at once


class DCFaceObjective:
    """L = L_MSE + λ L_ID over pairs (X_id, X_sty) of one person, X_sty the target too.

    settings: of the generator; faces: whose labels count; images: all of them, uint8 `[N, 3, s, s]`; embeddings: theirs,
    unit, float32 `[N, D]`, both on the CPU; embedder: F, frozen, on `device`.
    Attribute: rows, int64, the images that are a target: all but the `trim` share of each class (rounded down) least
    similar to its center, the class's mean embedding, and all of a class where fewer than two are left.
    Raises InputError where an image has no label, or no class leaves a pair.
    """

    def __init__(
        self,
        settings: DCFaceGenerator,
        faces: FaceSet,
        images: torch.Tensor,
        embeddings: torch.Tensor,
        embedder: Embedder,
        device: torch.device,
    ):
        unlabelled = int((faces.identity < 0).sum())
        if unlabelled:
            raise InputError(
                f"{faces.path}: {unlabelled} of {len(faces)} images have no identity, DCFace learns from pairs of images "
                "of one person; train it on a labelled face set"
            )
        order, self._start, kept = by_similarity(embeddings, faces.identity, settings.trim)
        self._order, self._identity = torch.from_numpy(order), torch.from_numpy(faces.identity.astype(np.int64))
        self._rank = torch.empty_like(self._order)
        self._rank[self._order] = torch.arange(len(order)) - self._start[self._identity[self._order]]
        self._choices = (kept - 1).clamp(max=settings.nearest)
        own = self._identity
        self.rows = torch.nonzero((self._rank < kept[own]) & (kept[own] > 1))[:, 0].numpy()
        if not len(self.rows):
            raise InputError(
                f"{faces.path}: no identity has two images after trim {settings.trim}, DCFace learns from pairs of images "
                "of one person; train it on a face set with more images per identity"
            )
        self.settings, self.images, self.embeddings = settings, images, embeddings
        self.embedder, self.device, self.style_features = embedder, device, StyleFeatures(embedder)
        self.schedule = noise_schedule(settings.timesteps, settings.beta_start, settings.beta_end)
        self.abar = self.schedule.alphas_cumprod.to(device)

    def draw(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """What `losses` needs besides x, t and ε for the targets `rows` (int64 `[B]` on the CPU, of `self.rows`).

        On the device: "x_id" uint8 `[B, 3, s, s]`, "f_id" and "f_sty" the unit embeddings of X_id and X_sty `[B, D]`.
        X_id is drawn by torch's global generator from the `nearest` images nearest to the center, the target itself
        left out, so that there is always another image to learn from (DCFace's code draws again, ten times at most).
        """
        x_id = self.draw_id(rows)
        drawn = {"x_id": self.images[x_id], "f_id": self.embeddings[x_id], "f_sty": self.embeddings[rows]}
        return {name: values.to(self.device) for name, values in drawn.items()}

    def draw_id(self, rows: torch.Tensor) -> torch.Tensor:
        """The images X_id, int64 `[B]`, for the targets `rows`."""
        identity = self._identity[rows]
        rank = (torch.rand(len(rows)) * self._choices[identity]).long()
        rank += rank >= self._rank[rows]
        return self._order[self._start[identity] + rank]

    def losses(
        self,
        network: nn.Module,
        x: torch.Tensor,
        t: torch.Tensor,
        eps: torch.Tensor,
        x_id: torch.Tensor,
        f_id: torch.Tensor,
        f_sty: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Scalars "loss" (to be minimised), "loss_mse" and "loss_id" of one mini-batch; the rest is what was drawn.

        network: a `DCFaceUNet` or what wraps it; x: X_sty in [−1, 1] `[n, 3, s, s]`; t: int64 `[n]`; eps: like x.
        L_ID = −γ_t cos(F(X_id), F(x̂0)) − (1 − γ_t) cos(F(X_sty), F(x̂0)), γ_t = t / T: at t = 0 the image is to be
        kept, at t = T the identity image obeyed. L_MSE is `denoising_loss` as the settings say. X_sty may be
        mirrored: embeddings are those of image plus mirror image.
        """
        abar_t = self.abar[t]
        x_t = self.schedule.add_noise(x, eps, t)
        predicted = network(x_t, t, to_float(x_id), self.style_features(x)).to(x.dtype)
        loss_mse = denoising_loss(predicted, eps, abar_t, self.settings.mse_target, self.settings.weight_cap)
        embedding = self.embedder(one_step_estimate(x_t, predicted, abar_t))
        gamma_t = t / self.settings.timesteps
        who, how = (nn.functional.cosine_similarity(wanted, embedding) for wanted in (f_id, f_sty))
        loss_id = -(gamma_t * who + (1 - gamma_t) * how).mean()
        return {"loss": loss_mse + self.settings.lambda_ * loss_id, "loss_mse": loss_mse, "loss_id": loss_id}


def by_similarity(
    embeddings: torch.Tensor, identity: np.ndarray, trim: float
) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    """Images class after class, in a class by falling cosine to its center, the mean of its unit embeddings.

    embeddings: unit `[N, D]`; identity: class of each, 0 … K − 1. Returns the images' order int64 `[N]`, where each
    class starts in it int64 `[K]`, and how many are kept of each once the `trim` share at its end is dropped `[K]`.
    """
    classes = torch.from_numpy(identity.astype(np.int64))
    blocks = [slice(start, start + ROWS) for start in range(0, len(classes), ROWS)]
    center = torch.zeros(int(classes.max()) + 1, embeddings.shape[1], dtype=torch.float64)
    for rows in blocks:
        center.index_add_(0, classes[rows], embeddings[rows].double())
    center = nn.functional.normalize(center)
    similarity = torch.cat([(embeddings[rows] * center[classes[rows]]).sum(1) for rows in blocks])
    count = torch.bincount(classes)
    kept = count - (trim * count.double() + 1e-9).long()
    return np.lexsort((-similarity.numpy(), identity)), count.cumsum(0) - count, kept
