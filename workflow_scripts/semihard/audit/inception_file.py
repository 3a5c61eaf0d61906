"""The file of FID's Inception weights: torch-fidelity's release."""

from pathlib import Path

from semihard.errors import InputError
from semihard.storage.checksum import sha256_of

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
RELEASE = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"


def check_inception_file(path: Path | str) -> None:
    """Raises InputError where the file is another one; its bytes are looked at, nothing is unpickled."""
    if (checksum := sha256_of(path)) != SHA256:
        raise InputError(
            f"{path}: SHA-256 {checksum}, expected {SHA256}: not FID's Inception weights. Get {RELEASE}, or remove the file to "
            "leave these columns out"
        )
