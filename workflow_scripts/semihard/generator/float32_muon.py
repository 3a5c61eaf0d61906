"""Muon where bfloat16 products are slow: torch's own makes them in bfloat16 whatever the device, twentyfold slower on a CPU
without AVX-512."""

import math

import torch


class Float32Muon(torch.optim.Muon):
    """torch's Muon (its arguments, defaults and state, so either goes on from the other's checkpoint) with the Newton–Schulz
    steps in the parameters' own precision."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update by the gradients there are."""
        for group in self.param_groups:
            rate, momentum = group["lr"], group["momentum"]
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                buffer = state.setdefault("momentum_buffer", torch.zeros_like(matrix.grad))
                buffer.lerp_(matrix.grad, 1 - momentum)
                update = newton_schulz(matrix.grad.lerp(buffer, momentum), group["ns_coefficients"], group["ns_steps"])
                matrix.mul_(1 - rate * group["weight_decay"])
                matrix.add_(update, alpha=-rate * math.sqrt(max(1, matrix.shape[0] / matrix.shape[1])))


def newton_schulz(matrix: torch.Tensor, coefficients: tuple[float, float, float], steps: int) -> torch.Tensor:
    """The orthogonal matrix nearest to `matrix` `[m, n]`, nearly: singular values of 0.5 to 1.5 after five steps (Jordan et
    al., 2024), by X ← a X + (b XXᵀ + c (XXᵀ)²) X from X of norm 1."""
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
