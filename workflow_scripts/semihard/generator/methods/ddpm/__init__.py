"""DDPM (Ho et al., NeurIPS 2020)."""
