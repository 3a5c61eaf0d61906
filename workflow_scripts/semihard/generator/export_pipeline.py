"""A generator to give away: its diffusers pipeline, the card that says what it is, and the checksums of its files."""

from pathlib import Path

from semihard.generator.model_card import model_card
from semihard.generator.pipeline import FacePipeline
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.atomic import atomic_folder
from semihard.storage.checksum import write_manifest
from semihard.storage.faceset import FaceSet


def export_pipeline(
    licence: str,
    generator_path: Path | str,
    folder: Path | str,
    embedder_path: Path | str | None = None,
    calibration_path: Path | str | None = None,
    faces_path: Path | str | None = None,
) -> None:
    """Write `folder`: generator, embedder, README.md (the card) and SHA256SUMS. It appears when it is complete.

    licence: of the weights, as the card states it; calibration_path: the artifact; faces_path: the face set it was trained
    on, whose source and licence the card states. Raises InputError where generator and embedder do not belong together, or
    the folder holds something.
    """
    pipeline = FacePipeline.of(generator_path, embedder_path)
    calibration = read_artifact(calibration_path, schemas.CALIBRATION) if calibration_path else {}
    trained_on = FaceSet(faces_path).attrs if faces_path else {}
    config = pipeline.generator.config
    card = model_card(
        Path(folder).name, licence, pipeline.generator.spec, config["training"] or {}, trained_on, calibration
    )
    with atomic_folder(folder) as partial:
        pipeline.save_pretrained(partial)
        (partial / "README.md").write_text(card, encoding="utf-8")
        write_manifest(partial)
