"""Names of attributes: one spelling for each, which of them exclude each other, and which belong to a person.

Where two data sets name one thing, MAAD-Face's name is taken (Terhörst et al., IEEE TIFS 2021); what it lacks is named as
CelebA (Liu et al., ICCV 2015) and FairFace (Kärkkäinen and Joo, WACV 2021) name it.
"""

import re
from functools import cache

COLUMN = "attribute_"  # how the columns of a face set begin that hold attributes

MAAD_FACE = (
    "Male", "Young", "Middle_Aged", "Senior", "Asian", "White", "Black", "Rosy_Cheeks", "Shiny_Skin", "Bald",
    "Wavy_Hair", "Receding_Hairline", "Bangs", "Sideburns", "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair",
    "No_Beard", "Mustache", "5_o_Clock_Shadow", "Goatee", "Oval_Face", "Square_Face", "Round_Face", "Double_Chin",
    "High_Cheekbones", "Chubby", "Obstructed_Forehead", "Fully_Visible_Forehead", "Brown_Eyes", "Bags_Under_Eyes",
    "Bushy_Eyebrows", "Arched_Eyebrows", "Mouth_Closed", "Smiling", "Big_Lips", "Big_Nose", "Pointy_Nose",
    "Heavy_Makeup", "Wearing_Hat", "Wearing_Earrings", "Wearing_Necktie", "Wearing_Lipstick", "No_Eyewear",
    "Eyeglasses", "Attractive",
)  # fmt: skip
CELEBA_ALONE = (
    "Blurry",
    "Mouth_Slightly_Open",
    "Narrow_Eyes",
    "Pale_Skin",
    "Straight_Hair",
    "Wearing_Necklace",
)
AGES = (
    "Age_0_2",
    "Age_3_9",
    "Age_10_19",
    "Age_20_29",
    "Age_30_39",
    "Age_40_49",
    "Age_50_59",
    "Age_60_69",
    "Age_70_or_more",
)
GROUPS = ("East_Asian", "Southeast_Asian", "Indian", "Black", "White", "Middle_Eastern", "Latino_Hispanic")
FAMILIES = {
    "age": AGES,
    "group": GROUPS,
    "maad_age": ("Young", "Middle_Aged", "Senior"),
    "maad_group": ("Asian", "White", "Black"),
    "hair_colour": ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"),
}
"""Attributes of which a face has one at most."""

IDENTITY_BOUND = frozenset(
    {
        "Male", *GROUPS, "Asian", "Brown_Eyes", "Narrow_Eyes", "Big_Lips", "Big_Nose", "Pointy_Nose", "High_Cheekbones",
        "Oval_Face", "Square_Face", "Round_Face", "Bald", "Receding_Hairline",
    }
)  # fmt: skip
"""What belongs to the person and not to the picture: sex, origin, what bones and features are like, the colour of the
eyes, and hair that does not grow back. Left out is what changes within years (age, weight and with it Chubby and
Double_Chin, the colour of hair, beards), what is put on, what a face does, and what light and camera make of it."""

OTHER_WORDS = {"Grey_Hair": "Gray_Hair", "Blonde_Hair": "Blond_Hair", "Moustache": "Mustache", "Baldness": "Bald"}


def _letters(name: str) -> str:
    return "".join(re.findall(r"[^\W_]+", name)).casefold()


@cache
def _spellings() -> dict[str, str]:
    """Letters and digits of every known name → its spelling."""
    known = {name: name for name in (*MAAD_FACE, *CELEBA_ALONE, *AGES, *GROUPS)} | OTHER_WORDS
    return {_letters(name): right for name, right in known.items()}


def spelling(name: str) -> str:
    """The one spelling of an attribute's name: blanks, case, hyphens, slashes and apostrophes do not matter, nor that it
    begins as a column of a face set does. A name that is not known here gets the same form, "wearing mask" is Wearing_Mask;
    "" where it has no letter and no digit. What depends on a convention ("gender") is left as it is.
    """
    name = name.strip().removeprefix(COLUMN)
    words = re.findall(r"[^\W_]+", name.replace("'", " ").replace("’", " "))
    return _spellings().get(_letters(name)) or "_".join(word[0].upper() + word[1:] for word in words)
