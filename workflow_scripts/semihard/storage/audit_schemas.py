"""The HDF5 artifacts of the audits: attributes, fairness, leakage, duplicates, fidelity, diversity."""

from semihard.storage.schema import Dataset, Schema

ATTRIBUTES = Schema(
    "attributes",
    {
        "name": Dataset("str", "A", meaning="attribute names"),
        "label": Dataset("int8", "N,A", meaning="1 present, 0 absent, −1 undefined (prediction not reliable enough)"),
        "probability": Dataset(
            "float16", "N,A", meaning="calibrated probability of presence, the two being equally likely before"
        ),
        "reliability": Dataset(
            "float16",
            "N,A",
            meaning="what decides whether a label is defined: reliability, or the probability of its side",
        ),
        "identity": Dataset("int64", "N", meaning="identity of each image; an unlabelled one has a number of its own"),
        "own": Dataset("bool", "N", meaning="False for a copy of an inquiry, which no comparison counts"),
        "accuracy": Dataset("float64", "A", meaning="the classifier's balanced accuracy on held-out people"),
        "kept_accuracy": Dataset(
            "float64", "A", meaning="the same of the labels that its reliability keeps; NaN: none"
        ),
        "sensitivity": Dataset("float64", "A", meaning="share of the present found, of held-out labels kept"),
        "specificity": Dataset("float64", "A", meaning="share of the absent refused, of held-out labels kept"),
        "columns/*": Dataset("any", "N", meaning="m and phi of a synthetic image, as in its face set"),
    },
    version=3,
)
FAIRNESS = Schema(
    "fairness",
    {
        "division": Dataset("str", "V", meaning="each division of people into groups that exclude each other"),
        "threshold": Dataset("float64", "V", meaning="distance below which a pair of any group is called genuine"),
        "threshold_rate": Dataset("float64", "V", meaning="its false match rate over all impostor pairs within groups"),
        "between_impostor": Dataset("int64", "V", meaning="impostor pairs of people of two groups, which no group has"),
        "between_rate": Dataset("float64", "V", meaning="their false match rate"),
        "ungrouped_people": Dataset("int64", "V", meaning="people in no group: their labels tie or are undefined"),
        "ungrouped_pairs": Dataset("int64", "V", meaning="pairs with one of them"),
        "group": Dataset("str", "G", meaning="groups, those of one division in a row"),
        "group_division": Dataset("int64", "G", meaning="the division of each"),
        "people": Dataset("int64", "G", meaning="people in the group"),
        "genuine": Dataset("int64", "G", meaning="genuine pairs of them"),
        "impostor": Dataset("int64", "G", meaning="impostor pairs of two of them"),
        "measured": Dataset("bool", "G", meaning="False where people or pairs are too few: in no measure over groups"),
        "label_accuracy": Dataset("float64", "G", meaning="held-out balanced accuracy of its attribute, NaN without"),
        "rate": Dataset("str", "R", meaning="accuracy, false_match_rate, false_non_match_rate, own_threshold_accuracy"),
        "value": Dataset("float64", "G,R", meaning="share of 1; NaN where pairs are too few"),
        "interval": Dataset(
            "float64", "G,R,2", meaning="95 % interval: bootstrap over identities, or exact where 0 errors"
        ),
        "measure": Dataset("str", "M", meaning="measure over the measured groups of a division"),
        "over_groups": Dataset("float64", "V,M", meaning="its value; NaN where fewer than two groups are measured"),
        "over_groups_interval": Dataset("float64", "V,M,2", meaning="95 % interval; NaN where a group has no error"),
        "null": Dataset("float64", "V,M", meaning="its mean if all groups had one rate: what chance alone makes of it"),
    },
)
LEAKAGE = Schema(
    "leakage",
    {
        "name": Dataset("str", "S", meaning="quantity (audit.leakage)"),
        "value": Dataset("float64", "S", meaning="its value"),
        "interval": Dataset("float64", "S,2", meaning="its 95 % bootstrap interval over identities, or NaN"),
        "image": Dataset("int64", "N", meaning="image of the audited set: all but copies of inquiries"),
        "nearest_index": Dataset("int64", "N", meaning="nearest image of the reference, by cosine"),
        "nearest_similarity": Dataset("float32", "N", meaning="its cosine"),
        "threshold": Dataset(
            "float64", "", meaning="cosine at the false match rate, between the reference's identities"
        ),
        "null_similarity": Dataset("float32", "Q", meaning="cosine of the null's images to what is nearest to them"),
        "beyond_null": Dataset("int64", "B", meaning="images nearer to the reference than every one of the null"),
        "compared": Dataset("int64", "C", meaning="images whose pixels are compared, the most similar first"),
        "correlation": Dataset("float32", "C", meaning="correlation of the thumbnails, plain or mirrored"),
        "copied": Dataset("int64", "P", meaning="images that are the same photograph as their nearest"),
    },
    version=3,
)
DUPLICATES = Schema(
    "duplicates",
    {
        "name": Dataset("str", "S", meaning="quantity (audit.duplicates)"),
        "value": Dataset("float64", "S", meaning="its value"),
        "interval": Dataset("float64", "S,2", meaning="its 95 % bootstrap interval over identities, or NaN"),
        "threshold": Dataset("float64", "", meaning="cosine at the false match rate, between the set's own identities"),
        "image": Dataset("int64", "N", meaning="image of the set: all but copies of inquiries"),
        "other_index": Dataset("int64", "N", meaning="nearest image of another identity, by cosine"),
        "other_similarity": Dataset("float32", "N", meaning="its cosine"),
        "same_index": Dataset("int64", "N", meaning="nearest other image of the same identity; −1 where there is none"),
        "same_similarity": Dataset("float32", "N", meaning="its cosine; −∞ where there is none"),
        "repeated": Dataset("int64", "R,2", meaning="image and another of its identity that is the same photograph"),
        "repeated_other": Dataset(
            "int64", "T,2", meaning="image and one of another identity that is the same photograph"
        ),
    },
)
FIDELITY = Schema(
    "fidelity",
    {
        "features": Dataset("str", "F", meaning="embedding and, where the weights are there, inception"),
        "name": Dataset("str", "Q", meaning="measure"),
        "value": Dataset("float64", "F,Q", meaning="against one half of the real set; NaN of too few images"),
        "null": Dataset("float64", "F,Q", meaning="the same between the two halves of the real set"),
        "count": Dataset("int64", "F", meaning="images of each of them"),
    },
)
LEARNING = Schema(
    "learning",
    {
        "epoch": Dataset("int64", "E", meaning="the epochs kept"),
        "images": Dataset("int64", "E", meaning="images seen by then"),
        "name": Dataset("str", "Q", meaning="measure, as in fidelity"),
        "value": Dataset("float64", "E,Q", meaning="of what the averaged weights of that epoch draw"),
        "null": Dataset("float64", "Q", meaning="of the two halves of the training set"),
        "m": Dataset("float64", "M", meaning="requested similarity; none where the method takes none"),
        "similarity": Dataset(
            "float32",
            "E,M,I",
            meaning="cosine achieved to training image I, by the embedder of the loss: one noise for all",
        ),
        "faces": Dataset(
            "uint8", "E,L,H,W,3", meaning="what each epoch makes of the same L conditions and noises, at the middle m"
        ),
        "condition_faces": Dataset(
            "uint8",
            "C,H,W,3",
            meaning="the training images that these are conditioned on; none where there is no condition",
        ),
    },
    version=2,
)
DIVERSITY = Schema(
    "diversity",
    {
        "name": Dataset("str", "S", meaning="quantity"),
        "value": Dataset("float64", "S", meaning="its value"),
        "genuine": Dataset("float32", "G", meaning="cosines of sampled image pairs of one identity"),
        "impostor": Dataset("float32", "I", meaning="cosines of sampled image pairs of different identities"),
    },
)
