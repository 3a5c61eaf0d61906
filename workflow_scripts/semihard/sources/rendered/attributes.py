"""Ground-truth attributes of rendered faces, named as in CelebA and MAAD-Face where those have the attribute."""

import numpy as np

from semihard.sources.rendered import morphable
from semihard.sources.rendered.appearance import hair_lightness
from semihard.sources.rendered.nuisance import Nuisance


def attributes(alpha: np.ndarray, nuisance: Nuisance) -> dict[str, np.ndarray]:
    """Attributes of the faces that `render` makes of the same arguments: name -> int8 [n], 1 where it holds, else 0.

    Left and right are the image's. Strong_Light: directional light outweighs the ambient light; Occluded: a patch covers
    a part of the picture. The attributes not found in CelebA or MAAD-Face are Dark_Skin, Light_Eyes, Freckles, Long_Hair,
    Eyes_Closed, Looking_Left, Looking_Right, Strong_Light and Occluded.
    """
    f = morphable.traits(alpha, nuisance.beta)
    fringe, length = f.fringe + nuisance.hair[:, 1:2], f.hair_length + nuisance.hair[:, :1]
    light = hair_lightness(f, nuisance.hair[:, 2:3])
    bald = f.hairline - 21 * morphable.unit(fringe) > 44
    gray = ~bald & (f.hair_gray > 0.15)
    coloured = ~bald & ~gray
    gamma = nuisance.gamma.reshape(-1, 9, 3).mean(2)
    directed = np.sqrt((gamma[:, 1:4] ** 2).sum(1)) / gamma[:, 0]
    yaw = nuisance.theta[:, 0]
    hat = nuisance.hat[:, :1] > 0
    named = {
        "Smiling": f.smile > 0.35,
        "Mouth_Closed": f.mouth_open < 0.12,
        "Eyes_Closed": f.blink > 0.7,
        "Eyeglasses": nuisance.glasses[:, 0] > 0,
        "Wearing_Hat": hat,
        "Black_Hair": coloured & (light < 0.12),
        "Brown_Hair": coloured & (light >= 0.12) & (light <= 0.6),
        "Blond_Hair": coloured & (light > 0.6),
        "Gray_Hair": gray,
        "Bald": bald,
        "Bangs": ~hat & ~bald & (fringe > 0.35),
        "Long_Hair": length > 0.3,
        "Wavy_Hair": ~bald & (np.abs(f.hair_wave) > 0.8),
        "Bushy_Eyebrows": f.brow_thickness > 2.0,
        "Arched_Eyebrows": f.brow_arch > 2.4,
        "Big_Nose": f.nose_width + 0.6 * (f.nose_tip - 8.6) > 8.1,
        "Big_Lips": f.upper_lip + f.lower_lip > 8.4,
        "High_Cheekbones": f.cheekbone > 2.4,
        "Chubby": f.cheek > 0.2,
        "Bags_Under_Eyes": f.eye_bags > 0.32,
        "Light_Eyes": f.iris_light * (1 - 0.7 * morphable.unit(f.melanin * 1.6 - 0.3)) > 0.28,
        "Freckles": f.freckles > 0.12,
        "No_Beard": f.beard < 0.05,
        "Pale_Skin": f.melanin < 0.15,
        "Dark_Skin": f.melanin > 0.65,
        "Looking_Left": yaw < -0.26,
        "Looking_Right": yaw > 0.26,
        "Strong_Light": directed > 0.95,
        "Occluded": nuisance.patch[:, 0] > 0,
        "Blurry": nuisance.degradation[:, :2].mean(1) > 2.2,
    }
    return {name: np.asarray(value).reshape(-1).astype(np.int8) for name, value in named.items()}
