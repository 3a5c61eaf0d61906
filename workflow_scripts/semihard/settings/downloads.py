"""Files that are fetched when they are needed: an entry each, pinned by a checksum or a commit."""

from pydantic import Field, model_validator

from semihard.settings.base import SHA256, Settings
from semihard.settings.paths import DOWNLOAD


class Download(Settings):
    """A file of the web or of the Hugging Face Hub, fetched once to downloads/<name>; a path `download:<name>` stands for it."""

    url: str | None = Field(
        None,
        pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])\S+$",
        description="Where the file is, by https.",
    )
    hub: str | None = Field(
        None, pattern=r"^[\w.\-]+/[\w.\-]+$", description="Or the repository on the Hugging Face Hub, `owner/name`."
    )
    revision: str | None = Field(
        None, pattern=r"^[0-9a-f]{40}$", description="Its commit, all 40 digits: a branch may change."
    )
    file: str | None = Field(
        None,
        min_length=1,
        description="The file in the repository; the whole repository, as a folder, where not given.",
    )
    sha256: str | None = SHA256
    unpack: bool = Field(
        False, description="It is a zip or tar archive, and downloads/<name> becomes the folder with what is in it."
    )

    @model_validator(mode="after")
    def _pinned(self) -> "Download":
        if bool(self.url) == bool(self.hub):
            raise ValueError("needs a url, or a hub with its revision, and not both")
        if self.url and (self.revision or self.file):
            raise ValueError("revision and file belong to a hub; leave them out")
        if self.hub and not self.revision:
            raise ValueError("revision is missing: the commit, all 40 digits, that the Hub shows under Files, History")
        whole = self.hub and not self.file
        if not whole and not self.sha256:
            raise ValueError("sha256 is missing, by which the file is checked")
        if whole and (self.sha256 or self.unpack):
            raise ValueError(
                "a whole repository is pinned by its revision: name a file, or leave sha256 and unpack out"
            )
        return self


def _known(url: str, sha256: str, unpack: bool = False) -> Download:
    return Download(url=url, sha256=sha256, unpack=unpack)


# What anybody may fetch, by names that need no entry. LFW: scikit-learn's copies of the University of Massachusetts's files.
KNOWN = {
    "lfw_funneled": _known(
        "https://ndownloader.figshare.com/files/5976015",
        "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
        unpack=True,
    ),
    "lfw_pairs.txt": _known(
        "https://ndownloader.figshare.com/files/5976006",
        "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592",
    ),
    "facenet_vggface2.pt": _known(
        "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt",
        "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
    ),
    "inception-2015-12-05.pth": _known(
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    ),
}


def is_download(path: str) -> bool:
    """True for a path that stands for a download."""
    return path.startswith(DOWNLOAD)


def is_folder(download: Download) -> bool:
    """True for one that becomes a folder."""
    return download.unpack or (download.hub is not None and download.file is None)
