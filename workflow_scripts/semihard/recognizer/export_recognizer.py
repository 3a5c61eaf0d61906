"""A recognizer to give away: its weights as ONNX and as safetensors, the card that says what it is, and checksums."""

from collections.abc import Mapping
from pathlib import Path

from semihard.recognizer.model_file import load_model, provenance_of, save_model
from semihard.recognizer.onnx_file import onnx_bytes
from semihard.recognizer.recognizer_card import recognizer_card
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.atomic import atomic_folder
from semihard.storage.checksum import write_manifest
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance


def export_recognizer(
    name: str,
    licence: str,
    model_path: Path | str,
    folder: Path | str,
    faces_path: Path | str | None = None,
    verified: Mapping[str, Path | str] | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Write `folder`: model.onnx, model.safetensors (without class weights and identity names, which tell of the people it
    was trained on), README.md (the card) and SHA256SUMS. It appears when it is complete.

    name: what it is called; licence: of the weights, as the card states it; faces_path: the face set it was trained on, whose
    source and licence the card states; verified: by benchmark, the artifact "verification". Raises InputError where the folder
    holds something, or the ONNX file does not compute what the network does.
    """
    network, spec = load_model(model_path)
    training = provenance_of(model_path)
    graph, cosine = onnx_bytes(network, spec, licence)
    trained_on = FaceSet(faces_path).attrs if faces_path else {}
    accuracy = {key: read_artifact(path, schemas.VERIFICATION)["accuracy"] for key, path in (verified or {}).items()}
    card = recognizer_card(name, licence, spec, training, trained_on, accuracy, cosine)
    with atomic_folder(folder) as partial:
        (partial / "model.onnx").write_bytes(graph)
        save_model(partial / "model.safetensors", network, spec, provenance=provenance)
        (partial / "README.md").write_text(card, encoding="utf-8")
        write_manifest(partial)
