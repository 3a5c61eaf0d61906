"""Published accuracies, for the eye: percent on each benchmark, as their papers print them, each with its table.

They are other people's recipes: differences of less than about half a point between papers mean nothing.
"""

from dataclasses import dataclass

FIVE = ("lfw", "cfp_fp", "agedb_30", "calfw", "cplfw")


@dataclass(frozen=True)
class Published:
    """One line of a paper's table. accuracy: benchmark → percent; average: as printed, where the paper has one."""

    label: str
    source: str
    accuracy: dict[str, float]
    average: float | None = None


def _five(source: str, *lines: tuple) -> tuple[Published, ...]:
    return tuple(Published(label, source, dict(zip(FIVE, values, strict=True)), avg) for label, *values, avg in lines)


def _average(source: str, *lines: tuple[str, float]) -> tuple[Published, ...]:
    return tuple(Published(label, source, {}, average) for label, average in lines)


def _lfw(source: str, *lines: tuple[str, float]) -> tuple[Published, ...]:
    return tuple(Published(label, source, {"lfw": accuracy}) for label, accuracy in lines)


PUBLISHED: dict[str, tuple[Published, ...]] = {
    "cemiface_table1": _five(
        "CemiFace, NeurIPS 2024, Table 1",
        ("CASIA, bin of similarity 0.85", 98.43, 85.67, 91.08, 89.43, 82.78, 89.48),
        ("CASIA, bin of similarity 0.81", 98.91, 88.80, 91.71, 91.03, 84.58, 91.01),
        ("CASIA, bin of similarity 0.76", 98.94, 90.92, 91.70, 91.50, 85.85, 91.78),
        ("CASIA, bin of similarity 0.70", 98.66, 91.08, 90.76, 90.32, 86.92, 91.55),
        ("CASIA, bin of similarity 0.53", 94.63, 82.12, 80.11, 77.63, 77.30, 82.36),
    ),
    "cemiface_training_range": _average(
        "CemiFace, NeurIPS 2024, Sec. 4.3, drawn at m = 0",
        ("m trained on 0 alone", 91.15),
        ("m trained on 0 … 1, step 0.02", 91.64),
        ("m trained on −1 … 1, step 0.02", 92.28),
        ("m trained on −1 … 1, step 0.04", 92.30),
        ("m trained on −1 … 1, step 0.06", 92.09),
    ),
    "cemiface_mixing": _average(
        "CemiFace, NeurIPS 2024, Sec. 4.3, m trained on 0 … 1",
        ("drawn at m = 0", 91.64),
        ("drawn at m in 0 … 0.1", 91.11),
        ("drawn at m in −0.1 … 0.1", 91.61),
        ("drawn at m = 0 and 0.5", 90.36),
        ("drawn at m = 0, 0.5 and 0.9", 90.12),
        ("drawn at m = 0, 0.5, 0.9 and 1", 89.57),
    ),
    # Its row of 0.8 repeats that of −1, a misprint, and is left out.
    "cemiface_table11": _average(
        "CemiFace, NeurIPS 2024, Table 11, 10K × 10",
        *zip(
            [f"m = {m / 10:g}".replace("-", "−") for m in (10, 9, *range(7, -11, -1))],
            (
                *(84.13, 84.60, 85.11, 85.98, 87.32, 87.34, 87.35, 88.77, 89.37, 89.57),
                *(87.71, 83.18, 79.27, 74.79, 69.40, 68.78, 68.04, 66.94, 69.13, 71.25),
            ),
            strict=True,
        ),
    ),
    "cemiface_inquiries": _average(
        "CemiFace, NeurIPS 2024, Sec. 4.3, training data × inquiry data, m trained on 0 … 1",
        ("CASIA, inquiries of WebFace4M", 91.64),
        ("CASIA, inquiries of a DDPM (FFHQ)", 91.49),
        ("CASIA, inquiries of Flickr", 88.97),
        ("Flickr-1.2M, inquiries of WebFace4M", 90.25),
        ("Flickr-1.2M, inquiries of a DDPM (FFHQ)", 90.19),
        ("Flickr-1.2M, inquiries of Flickr", 88.65),
        ("VGGFace2, inquiries of WebFace4M", 92.20),
        ("VGGFace2, inquiries of a DDPM (FFHQ)", 92.01),
        ("VGGFace2, inquiries of Flickr", 90.59),
        ("DCFace on CASIA, inquiries of WebFace4M", 89.80),
        ("DCFace on CASIA, inquiries of a DDPM (FFHQ)", 90.18),
    ),
    "cemiface_best_m": _average(
        "CemiFace, NeurIPS 2024, Sec. 4.3, the best m by inquiry data",
        ("WebFace4M, m = −0.1", 91.27),
        ("WebFace4M, m = 0", 91.64),
        ("WebFace4M, m = 0.1", 90.89),
        ("DigiFace, m = −0.1", 89.96),
        ("DigiFace, m = 0", 90.67),
        ("DigiFace, m = 0.1", 90.38),
        ("DDPM (FFHQ), m = −0.1", 91.36),
        ("DDPM (FFHQ), m = 0", 91.47),
        ("DDPM (FFHQ), m = 0.1", 90.96),
    ),
    "cemiface_table8": _average(
        "CemiFace, NeurIPS 2024, Table 8, centers of CASIA's identities as conditions (random ones, m = 1: no convergence)",
        ("class weights, m = 1", 83.20),
        ("class weights, m = 0.7", 84.71),
        ("class weights, m = 0.5", 86.32),
        ("class weights, m = 0.2", 89.59),
        ("class weights, m = 0.1", 90.02),
        ("class weights, m = 0", 90.09),
        ("one image of WebFace4M, m = 0", 92.30),
    ),
    "cemiface_similarity_measure": _average(
        "CemiFace, NeurIPS 2024, Sec. 4.3, m trained on 0 … 1", ("cosine", 91.64), ("Euclidean distance", 90.95)
    ),
    # Its cells are out of order in the paper's text; 0.05 is certain, the others follow in the order of λ.
    "cemiface_lambda": _average(
        "CemiFace, NeurIPS 2024, Table 14, m trained on 0 … 1",
        ("λ = 0.01", 91.72),
        ("λ = 0.05", 91.64),
        ("λ = 0.1", 91.29),
        ("λ = 0.5", 90.77),
    ),
    "cemiface_guide": _average(
        "CemiFace's README, 10K × 50", ("guided by AdaFace", 92.30), ("guided by CosFace", 92.71)
    ),
    "cemiface_backbones": _average(
        "CemiFace, NeurIPS 2024, Sec. 4.3, the recognizer's network",
        ("IR-18", 90.75),
        ("IR-SE-50", 91.64),
        ("IR-SE-100", 91.82),
    ),
    "cemiface_table6": _five(
        "CemiFace, NeurIPS 2024, Table 6",
        ("CASIA, CosFace", 99.30, 94.87, 94.35, 93.15, 89.65, 94.26),
        ("CASIA, AdaFace", 99.42, 96.56, 94.08, 93.32, 89.73, 94.62),
        ("SynFace 0.5M", 91.93, 75.03, 61.63, 74.73, 70.43, 74.75),
        ("DigiFace 0.5M", 95.40, 87.40, 76.97, 78.62, 78.87, 83.45),
        ("IDiff-Face 0.5M", 98.00, 85.47, 86.43, 90.65, 80.45, 88.20),
        ("DCFace 0.5M", 98.55, 85.33, 89.70, 91.60, 82.62, 89.56),
        ("DCFace 0.5M, retrained", 98.33, 87.70, 90.01, 91.61, 83.26, 90.18),
        ("CemiFace 0.5M", 99.03, 91.06, 91.33, 92.42, 87.65, 92.30),
        ("DCFace 1.0M", 98.83, 88.40, 90.45, 92.38, 84.22, 90.86),
        ("DCFace 1.0M, retrained", 98.88, 89.71, 91.25, 92.15, 85.20, 91.44),
        ("CemiFace 1.0M", 99.18, 92.75, 91.97, 93.01, 88.42, 93.07),
        ("DigiFace 1.2M", 96.17, 89.81, 81.10, 82.55, 82.23, 86.37),
        ("DCFace 1.2M", 98.58, 88.61, 90.97, 92.82, 85.07, 91.21),
        ("DCFace 1.2M, retrained", 99.05, 89.80, 91.73, 92.70, 86.05, 91.87),
        ("CemiFace 1.2M", 99.22, 92.84, 92.13, 93.03, 88.86, 93.22),
    ),
    "synface_table1": (
        Published("real", "SynFace, ICCV 2021, Table 1", {"lfw": 99.18, "synthetic_lfw": 98.85}),
        Published("synthetic", "SynFace, ICCV 2021, Table 1", {"lfw": 88.98, "synthetic_lfw": 99.98}),
    ),
    "synface_identity_mixup": _lfw(
        "SynFace, ICCV 2021, poster",
        ("Syn 1K × 50", 83.85),
        ("Syn 1K × 50, identity mixup", 87.53),
        ("Syn 2K × 50", 86.18),
        ("Syn 2K × 50, identity mixup", 89.28),
        ("Syn 5K × 50", 88.75),
        ("Syn 5K × 50, identity mixup", 90.95),
        ("Syn 10K × 2", 78.85),
        ("Syn 10K × 2, identity mixup", 80.30),
        ("Syn 10K × 5", 88.22),
        ("Syn 10K × 5, identity mixup", 88.32),
        ("Syn 10K × 10", 89.48),
        ("Syn 10K × 10, identity mixup", 90.28),
        ("Syn 10K × 20", 89.90),
        ("Syn 10K × 20, identity mixup", 90.87),
        ("Syn 10K × 30", 89.73),
        ("Syn 10K × 30, identity mixup", 91.17),
        ("Syn 10K × 50", 88.98),
        ("Syn 10K × 50, identity mixup", 91.97),
    ),
    "synface_domain_mixup": _lfw(
        "SynFace, ICCV 2021, poster",
        ("Real 1K × 10", 87.50),
        ("Real 1K × 10, mixed with Syn", 92.28),
        ("Real 1K × 20", 92.53),
        ("Real 1K × 20, mixed with Syn", 95.05),
        ("Real 2K × 10", 91.22),
        ("Real 2K × 10, mixed with Syn", 95.78),
    ),
    "external": _five(
        "the releases' own papers and model cards, each in its own recipe",
        ("DCFace 0.5M", 98.55, 85.33, 89.70, 91.60, 82.62, 89.56),
        ("DigiFace 1M", 95.40, 87.40, 76.97, 78.62, 78.87, 83.45),
        ("IDiff-Face 0.5M", 98.00, 85.47, 86.43, 90.65, 80.45, 88.20),
        ("HSFace10K (Vec2Face)", 98.87, 88.97, 93.12, 93.57, 85.47, 92.00),
        ("Arc2Face 0.5M", 98.81, 91.87, 90.18, 92.63, 85.16, 91.73),
        ("VFace10K (Vec2Face+)", 99.35, 93.56, 94.33, 94.17, 88.03, 93.89),
        ("CASIA, IR-50", 99.38, 96.91, 94.50, 93.35, 89.78, 94.79),
    ),
}
