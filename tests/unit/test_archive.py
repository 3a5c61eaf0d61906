"""Photographs in archives, and without identities: as in a folder, and nothing leaves the archive but images."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semihard.errors import InputError
from semihard.sources import archive
from semihard.sources.importing import import_faces
from semihard.sources.settings import FolderFaces
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), shade, np.uint8)).save(file, "PNG")
    return file.getvalue()


FILES = {
    "b/0.png": picture(10),
    "a/1.png": picture(20),
    "a/0.png": picture(30),
    "a/note.txt": b"x",
    "a/.hidden.png": b"x",
}


def pack(path: Path, files: dict[str, bytes]) -> Path:
    """An archive of these files, of the kind that its name says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            for name, content in files.items():
                file.writestr(name, content)
    else:
        with tarfile.open(path, f"w:{path.suffix.removeprefix('.').replace('tgz', 'gz').replace('tar', '')}") as file:
            for name, content in files.items():
                about = tarfile.TarInfo(name)
                about.size = len(content)
                file.addfile(about, io.BytesIO(content))
    return path


def read(path: Path, **given) -> FaceSet:
    """The face set that an entry of source folder becomes."""
    settings = FolderFaces.model_validate({"source": "folder", "path": str(path)} | given)
    output = path.parent / "faces.h5"
    import_faces(settings, output, Provenance())
    return FaceSet(output)


@pytest.fixture
def places(tmp_path, monkeypatch) -> Path:
    """Where archives are unpacked."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    yield tmp_path / "tmp"
    assert not list((tmp_path / "tmp").iterdir())  # nothing is left


@pytest.mark.parametrize("top", ["", "faces/", "download/faces/"])
@pytest.mark.parametrize("name", ["f.zip", "f.ZIP.zip", "f.tar", "f.tar.gz", "f.tgz", "f.tar.xz"])
def test_an_archive_is_read_as_its_folder(places, tmp_path, name, top, caplog):
    faces = read(pack(tmp_path / name, {f"{top}{path}": content for path, content in FILES.items()}))
    assert faces.column("source_key").tolist() == ["a/0.png", "a/1.png", "b/0.png"]
    assert faces.identity_names == ["a", "b"] and faces.images(slice(None))[:, 0, 0, 0].tolist() == [30, 20, 10]
    assert faces.attrs["left_out"] == 2 and "note.txt" in caplog.text


def test_whose_faces_they_are_need_not_be_known(places, tmp_path):
    files = {"z.png": picture(1), "y.png": picture(2), "more/a.png": picture(3), "read.me": b"x"}
    for name, content in files.items():
        (tmp_path / "flat" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "flat" / name).write_bytes(content)
    for path in (tmp_path / "flat", pack(tmp_path / "flat.zip", files)):
        faces = read(path, labelled=False)
        assert faces.column("source_key").tolist() == ["y.png", "z.png", "more/a.png"]
        assert set(faces.identity) == {-1} and faces.identity_names == [] and faces.attrs["left_out"] == 1
    with pytest.raises(InputError, match="labelled: false"):
        (tmp_path / "flat/more/a.png").unlink()
        (tmp_path / "flat/more").rmdir()
        read(tmp_path / "flat")


def test_grids_of_nobody(places, tmp_path):
    shades = np.array([[1, 2], [3, 4]], np.uint8).repeat(8, 0).repeat(8, 1)
    file = io.BytesIO()
    Image.fromarray(np.stack([shades] * 3, 2)).save(file, "PNG")
    faces = read(pack(tmp_path / "f.zip", {"0.png": file.getvalue()}), labelled=False, tiles=2)
    assert set(faces.identity) == {-1} and faces.images(slice(None))[:, 0, 0, 0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", ["../a/0.png", "a/../../0.png", "/etc/0.png", "a\\..\\0.png"])
def test_what_leads_out_of_an_archive_is_refused(places, tmp_path, kind, name):
    path = pack(tmp_path / f"f.{kind}", FILES | {name: picture(1)})
    with pytest.raises(InputError, match=r"in it leads out of the archive; it is not unpacked"):
        read(path)
    assert {entry.name for entry in tmp_path.iterdir()} <= {"tmp", path.name}


def test_a_bomb_is_refused(places, tmp_path):
    with zipfile.ZipFile(tmp_path / "f.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/0.png", bytes(50_000_000))
    with pytest.raises(InputError, match=r"bytes become 50,000,000 when unpacked, which no photographs do"):
        read(tmp_path / "f.zip")
    with tarfile.open(tmp_path / "f.tar.gz", "w:gz") as file:
        about = tarfile.TarInfo("a/0.png")
        about.size = 50_000_000
        file.addfile(about, io.BytesIO(bytes(50_000_000)))
    with pytest.raises(InputError, match="which no photographs do"):
        read(tmp_path / "f.tar.gz")


def test_a_full_disk_is_told_before(places, tmp_path, monkeypatch):
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(InputError, match=r"takes [\d,]+ bytes unpacked, .* has 100; name a larger one in TMPDIR"):
        read(pack(tmp_path / "f.zip", FILES))


def test_links_are_not_followed(places, tmp_path):
    with tarfile.open(tmp_path / "f.tar", "w") as file:
        for name, content in FILES.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            file.addfile(about, io.BytesIO(content))
        link = tarfile.TarInfo("a/2.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    assert len(read(tmp_path / "f.tar")) == 3
    with zipfile.ZipFile(pack(tmp_path / "f.zip", FILES), "a") as file:
        link = zipfile.ZipInfo("a/2.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    assert len(read(tmp_path / "f.zip")) == 3


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("f.zip", lambda blob: blob[:200], "is no archive that can be read"),
        ("f.tar.gz", lambda blob: blob[:60], "is no archive that can be read"),
        ("f.tar", lambda blob: b"", "is no archive that can be read"),
        (
            "f.zip",
            lambda blob: blob.replace(FILES["a/0.png"][-40:-20], bytes(20)),
            "is no archive that can be read .*CRC",
        ),
    ],
)
def test_a_damaged_archive_is_told(places, tmp_path, name, change, message):
    path = pack(tmp_path / name, FILES)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=message):
        read(path)


def test_an_image_is_called_by_its_place_in_the_archive(places, tmp_path):
    path = pack(tmp_path / "f.zip", FILES | {"a/2.png": b"no image"})
    with pytest.raises(InputError, match=rf"{path}/a/2\.png is no readable image"):
        read(path)
    with pytest.raises(InputError, match=r"'a/0\.png' is in it twice"), pytest.warns(UserWarning, match="Duplicate"):
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("a/0.png", picture(1))
        read(path)
    with pytest.raises(InputError, match=r"holds no identity folders"):
        read(pack(tmp_path / "none.zip", {"note.txt": b"x" * 1000}))
