"""What the configuration alone tells of a face set's size and form, before any is made."""

from semihard.generator.settings import SyntheticFaces, UnconditionalFaces
from semihard.similarity.settings import SimilarityBinFaces
from semihard.sources.settings import RenderedFaces, SubsetFaces, UnionFaces
from semihard.workflow.settings import Config

ALIGNED = 112  # pixels: what detection and alignment make


def most_images(config: Config, faceset: str) -> int | None:
    """How many images the face set can have; None where that is known only when its files are read."""
    match config.facesets[faceset]:
        case RenderedFaces() as entry:
            return entry.identities * entry.per_identity
        case SyntheticFaces() as entry:
            return entry.identities * (entry.per_identity + entry.inquiry_copies)
        case UnconditionalFaces() as entry:
            return entry.images
        case SubsetFaces() as entry:
            asked = entry.identities * entry.per_identity if entry.identities and entry.per_identity else None
            known = [count for count in (asked, most_images(config, entry.of)) if count is not None]
            return min(known, default=None)
        case SimilarityBinFaces() as entry:
            return most_images(config, entry.of)
        case UnionFaces() as entry:
            counts = [most_images(config, name) for name in entry.sets]
            return None if None in counts else sum(counts)
    return None


def image_size(config: Config, faceset: str) -> int | None:
    """The side in pixels of the face set's images; None where that is known only when its files are read."""
    match config.facesets[faceset]:
        case RenderedFaces() as entry:
            return entry.image_size
        case SyntheticFaces() | UnconditionalFaces() as entry:
            return config.generators[entry.generator].image_size
        case SubsetFaces() | SimilarityBinFaces() as entry:
            return image_size(config, entry.of)
        case UnionFaces() as entry:
            return next((size for name in entry.sets if (size := image_size(config, name))), None)
        case entry if getattr(entry, "align", "none") == "mtcnn":
            return ALIGNED
    return None


def codec(config: Config, faceset: str) -> str:
    """How the face set's images are stored."""
    match config.facesets[faceset]:
        case SyntheticFaces() | UnconditionalFaces() as entry:
            return entry.codec
        case SubsetFaces() | SimilarityBinFaces() as entry:
            return codec(config, entry.of)
        case UnionFaces() as entry:
            return codec(config, entry.sets[0])
    return "jpeg"  # as imports and renderings are stored
