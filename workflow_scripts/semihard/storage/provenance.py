"""What every artifact says about how it came to be. No clock and no host: the same inputs give the same bytes."""

import json
from dataclasses import dataclass, field
from importlib.metadata import version

PACKAGES = ("torch", "diffusers", "numpy", "h5py")


@dataclass(frozen=True)
class Provenance:
    """Written as HDF5 attributes of every artifact.

    rule: the stage; settings: its entry of the configuration; code: fingerprint of the code that ran; seed: the seed
    where the stage draws random numbers; inputs: SHA-256 of what it read, by the rule's name for it, a list where that is
    several files; device: "cpu", or the name of the GPU that it ran on. The last two are known of a job alone: a stage
    that is called without one leaves them out.
    """

    rule: str = ""
    settings: dict = field(default_factory=dict)
    code: str = ""
    seed: int | None = None
    inputs: dict[str, str | list[str]] | None = None
    device: str = ""

    def attributes(self) -> dict[str, str | int]:
        """The HDF5 attributes: plain strings and integers."""
        versions = {package: version(package) for package in PACKAGES}
        given = {"rule": self.rule, "settings": json.dumps(self.settings), "code": self.code}
        given |= {"versions": json.dumps(versions)} | ({} if self.seed is None else {"seed": self.seed})
        given |= {} if self.inputs is None else {"inputs": json.dumps(self.inputs)}
        return given | ({"device": self.device} if self.device else {})
