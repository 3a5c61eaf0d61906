"""What attributes are called: one spelling for every name, MAAD-Face's where it has one, and which of them go together.

MAAD-Face (Terhörst et al., IEEE TIFS 2021) has 47; CelebA (Liu et al., ICCV 2015) and LFW (Kumar et al., ICCV 2009) have
others besides; FairFace (Kärkkäinen and Joo, WACV 2021) has nine ages and seven groups, each of which is an attribute
here. Groups and sexes are what annotators saw in a picture.
"""

import re

MAAD_FACE = (
    "Male", "Young", "Middle_Aged", "Senior", "Asian", "White", "Black", "Rosy_Cheeks", "Shiny_Skin", "Bald", "Wavy_Hair",
    "Receding_Hairline", "Bangs", "Sideburns", "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair", "No_Beard", "Mustache",
    "5_o_Clock_Shadow", "Goatee", "Oval_Face", "Square_Face", "Round_Face", "Double_Chin", "High_Cheekbones", "Chubby",
    "Obstructed_Forehead", "Fully_Visible_Forehead", "Brown_Eyes", "Bags_Under_Eyes", "Bushy_Eyebrows", "Arched_Eyebrows",
    "Mouth_Closed", "Smiling", "Big_Lips", "Big_Nose", "Pointy_Nose", "Heavy_Makeup", "Wearing_Hat", "Wearing_Earrings",
    "Wearing_Necktie", "Wearing_Lipstick", "No_Eyewear", "Eyeglasses", "Attractive",
)  # fmt: skip
FAMILIES = {
    "age": (
        "Age_0_2", "Age_3_9", "Age_10_19", "Age_20_29", "Age_30_39", "Age_40_49", "Age_50_59", "Age_60_69", "Age_70_or_more",
    ),
    "group": ("East_Asian", "Southeast_Asian", "Indian", "Black", "White", "Middle_Eastern", "Latino_Hispanic"),
    "maad_age": ("Young", "Middle_Aged", "Senior"),
    "maad_group": ("Asian", "White", "Black"),
    "hair_colour": ("Black_Hair", "Brown_Hair", "Blond_Hair", "Gray_Hair"),
}  # fmt: skip
OTHERS = (
    "Blurry", "Mouth_Slightly_Open", "Narrow_Eyes", "Pale_Skin", "Straight_Hair", "Wearing_Necklace",  # CelebA
    "Dark_Skin", "Light_Eyes", "Freckles", "Long_Hair", "Eyes_Closed", "Looking_Left", "Looking_Right", "Strong_Light",
    "Occluded",  # rendered faces
)  # fmt: skip
# What differs from person to person and hardly from picture to picture: bones, sex, group. Not hair, beard, weight or age, which
# change within the years that photographs of one person span, though seldom within one set.
IDENTITY_BOUND = frozenset(
    (
        *("Male", "Asian", *FAMILIES["group"], "Oval_Face", "Square_Face", "Round_Face", "High_Cheekbones", "Big_Nose"),
        *("Pointy_Nose", "Big_Lips", "Brown_Eyes", "Light_Eyes", "Dark_Skin", "Pale_Skin", "Freckles"),
    )
)


def _key(name: str) -> str:
    return re.sub(r"[^0-9a-z]", "", name.lower())


_SPELLING = {
    _key(name): name for name in (*MAAD_FACE, *OTHERS, *(name for names in FAMILIES.values() for name in names))
}


def spelling(name: str) -> str:
    """The one spelling of an attribute's name, whatever its blanks, hyphens, apostrophes and capitals: `5 o' Clock Shadow` and
    `5_o_clock_shadow` are `5_o_Clock_Shadow`. A name that is not known keeps its letters, its words joined by underscores."""
    if known := _SPELLING.get(_key(name)):
        return known
    return re.sub(r"[^0-9A-Za-z]+", "_", name.replace("'", "")).strip("_")
