"""Every HDF5 artifact: its datasets, their types, shapes and meaning (docs/artifacts.md is made from it)."""

from semihard.storage.audit_schemas import ATTRIBUTES, DIVERSITY, DUPLICATES, FAIRNESS, FIDELITY, LEAKAGE, LEARNING
from semihard.storage.schema import Dataset, Schema

FACESET = Schema(
    "faceset",
    {
        "images/data": Dataset(
            "uint8", "bytes", meaning="encoded images back to back, contiguous: image i = data[offsets[i]:offsets[i+1]]"
        ),
        "images/offsets": Dataset("int64", "N+1", meaning="where each image begins"),
        "images/checksum": Dataset("uint32", "N", meaning="CRC-32 of each image's bytes; absent in files of before"),
        "identity": Dataset("int32", "N", meaning="class index 0 … K−1; −1 where unlabelled"),
        "identity_names": Dataset(
            "str", "K", meaning="the source's own name of each identity: sets are joined by name"
        ),
        "columns/*": Dataset(
            "any",
            "N",
            meaning=(
                "what else is known per image: source_key, similarity, m, partner, phi, alpha, …; attribute_<Name>, int8: 1 "
                "present, 0 absent, −1 undefined"
            ),
        ),
    },
)
BENCHMARK = Schema(
    "benchmark",
    {
        "first": Dataset("int64", "P", meaning="index of the first image of each pair in the benchmark's face set"),
        "second": Dataset("int64", "P", meaning="index of the second image"),
        "same": Dataset("bool", "P", meaning="True for a genuine pair"),
        "fold": Dataset("int32", "P", meaning="cross-validation fold of each pair"),
    },
)
TEMPLATE_PAIRS = Schema(
    "template_pairs",
    {
        "first": Dataset("int64", "P", meaning="first template of each pair, as in the face set's column template"),
        "second": Dataset("int64", "P", meaning="second template"),
        "same": Dataset("bool", "P", meaning="True for a genuine pair"),
    },
)
EMBEDDINGS = Schema(
    "embeddings",
    {
        "embedding": Dataset(
            "float32",
            "N,D",
            meaning="raw features of image plus mirror image, not normalised: the norm is a quality cue",
        ),
    },
)
CENTERS = Schema(
    "centers",
    {
        "center": Dataset("float32", "K,D", meaning="unit identity centers"),
        "identity_names": Dataset("str", "K", meaning="as in the face set"),
        "count": Dataset("int64", "K", meaning="images per identity, copies of inquiries left out"),
        "similarity": Dataset(
            "float32",
            "N",
            meaning="cosine of each image to its own center; NaN where unlabelled, a copy of an inquiry, or alone and its center",
        ),
    },
)
BINS = Schema(
    "bins",
    {
        "bin": Dataset("int32", "N", meaning="similarity bin of each image, 0 = most similar; −1 = in none"),
        "mean_similarity": Dataset("float64", "B", meaning="mean similarity per bin"),
        "highest": Dataset("float64", "B", meaning="highest similarity, averaged over identities (CemiFace Table 9)"),
        "lowest": Dataset("float64", "B", meaning="lowest similarity, averaged over identities"),
        "count": Dataset("int64", "B", meaning="images per bin"),
    },
)
HISTORY = Schema(
    "history",
    {
        "step": Dataset("int64", "S", meaning="optimizer step"),
        "columns/*": Dataset("float64", "S", meaning="loss terms, learning rate, …"),
    },
)
INQUIRIES = Schema(
    "inquiries",
    {
        "source_index": Dataset(
            "int64", "Q", meaning="image of the inquiry face set that defines each new identity, or −1"
        ),
        "source_name": Dataset("str", "Q", meaning="that image's identity name in its face set"),
        "embedding": Dataset("float32", "Q,D", meaning="unit embedding of the inquiry"),
        "nearest": Dataset("float32", "Q", meaning="highest cosine to an inquiry selected before it"),
    },
)
CALIBRATION = Schema(
    "calibration",
    {
        "m": Dataset("float64", "M", meaning="requested similarity"),
        "embedder": Dataset("str", "E", meaning="who measures: loss, the generator's own embedder, then others"),
        "similarity": Dataset(
            "float32", "E,M,I,K", meaning="achieved cosine to inquiry I of its image K: one noise for every m"
        ),
        "pearson_r": Dataset(
            "float64", "E", meaning="Pearson r of requested and achieved similarity over all single images"
        ),
        "pearson_r_mean": Dataset("float64", "E", meaning="r of the mean curve: of the mean over images per m"),
        "pearson_r_within": Dataset(
            "float64", "E", meaning="mean r of the images from one noise, over inquiries and noises"
        ),
        "monotonicity": Dataset(
            "float64", "E", meaning="share of neighbouring values of m whose mean achieved similarity rises"
        ),
        "bin_edges": Dataset(
            "float64", "B+1", meaning="bins of similarity of CemiFace Table 7, and below 0; the outer ones are open"
        ),
        "counts": Dataset("int64", "E,M,B", meaning="inquiries per bin, by the mean similarity of their images"),
        "images": Dataset(
            "uint8", "M,L,H,W,3", meaning="the first image of the first L inquiries at every m: the similarity ladder"
        ),
        "inquiry_images": Dataset("uint8", "L,H,W,3", meaning="the ladder's inquiry images at the generator's size"),
    },
)
MIXUP_PATH = Schema(
    "mixup_path",
    {
        "phi": Dataset(
            "float64", "S", meaning="share of the identity, the rest being its partner's; ascending from 0 to 1"
        ),
        "identity": Dataset("str", "R", meaning="name of each path's identity, as in the face set"),
        "partner": Dataset("str", "R", meaning="name of the identity that it is mixed with"),
        "images": Dataset(
            "uint8",
            "R,S,H,W,3",
            meaning="the identity's first image in the face set at every φ, all else being the same",
        ),
        "similarity": Dataset(
            "float32",
            "R,S,2",
            meaning="cosine to the path's last image, the identity, and to its first, the partner, by the study's embedder",
        ),
    },
)
VERIFICATION = Schema(
    "verification",
    {
        "distance": Dataset("float64", "P", meaning="squared Euclidean distance of the unit embeddings of each pair"),
        "same": Dataset("bool", "P", meaning="True for a genuine pair"),
        "fold": Dataset("int32", "P", meaning="cross-validation fold"),
        "accuracy": Dataset("float64", "F", meaning="accuracy per fold at the threshold chosen on the other folds"),
        "threshold": Dataset("float64", "F", meaning="that threshold"),
    },
)
TEMPLATE_VERIFICATION = Schema(
    "template_verification",
    {
        "cosine": Dataset("float32", "P", meaning="cosine of the two templates of each pair"),
        "same": Dataset("bool", "P", meaning="True for a genuine pair"),
        "false_accept_rate": Dataset("float64", "R", meaning="false accept rates asked for"),
        "true_accept_rate": Dataset(
            "float64",
            "R",
            meaning="greatest true accept rate that is possible at each; NaN where one impostor pair is more",
        ),
    },
)
EPOCHS = Schema(
    "epochs",
    {
        "epoch": Dataset("int64", "E", meaning="the epochs kept, the last one included"),
        "accuracy": Dataset(
            "float64", "E,F", meaning="accuracy per fold at the threshold chosen on the other folds, as in verification"
        ),
    },
)
SCORES = Schema(
    "scores",
    {
        "label": Dataset("str", "L", meaning="each line of the study table"),
        "faceset": Dataset(
            "str", "L", meaning="face set the recognizer was trained on; empty for a reference embedder"
        ),
        "recognizer": Dataset("str", "L", meaning="how it was trained, or the reference embedder"),
        "benchmark": Dataset("str", "B", meaning="benchmarks"),
        "averaged": Dataset("bool", "B", meaning="True where the benchmark enters the average"),
        "seed": Dataset("int64", "S", meaning="training seeds; −1 for a reference embedder"),
        "accuracy": Dataset("float64", "L,B,S", meaning="mean accuracy over folds in percent; NaN where there is none"),
        "average": Dataset("float64", "L", meaning="mean over the averaged benchmarks and seeds"),
        "interval": Dataset("float64", "L,2", meaning="95 % bootstrap interval over pairs of the average"),
    },
)


def all_schemas() -> list[Schema]:
    """Every schema, those of the audits last."""
    own = [item for item in globals().values() if isinstance(item, Schema)]
    return sorted(own, key=AUDITS.__contains__)


AUDITS = [ATTRIBUTES, FAIRNESS, LEAKAGE, DUPLICATES, FIDELITY, LEARNING, DIVERSITY]
