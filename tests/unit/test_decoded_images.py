"""Images decoded once: in memory, mapped from a file, and shared by the processes of a machine."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed

from semihard.compute import decoded_images
from semihard.compute.decoded_images import decode_all, is_memory, scratch_folder
from semihard.compute.processes import launch
from semihard.errors import InputError
from semihard.storage.faceset import FaceSet


def decode_in_one_of_two(folder: Path, scratch: Path) -> None:
    """What each of two processes has, written down."""
    tempfile.tempdir = str(scratch)
    distributed.init_process_group("gloo")
    images, where = decode_all(FaceSet(folder / "small.h5"), 8)
    np.save(folder / f"{distributed.get_rank()}.npy", images.numpy())
    (folder / f"where{distributed.get_rank()}").write_text(where)
    distributed.destroy_process_group()


def test_processes_of_a_machine_share_one_file(tmp_path, small_faceset):
    (scratch := tmp_path / "scratch").mkdir()
    launch(2, decode_in_one_of_two, tmp_path, scratch)
    expected = decode_all(FaceSet(small_faceset), 8)[0].numpy()
    for rank in (0, 1):
        assert np.array_equal(np.load(tmp_path / f"{rank}.npy"), expected)
        assert (tmp_path / f"where{rank}").read_text().endswith("once for all processes")
    assert not list(scratch.glob("*.raw")) and not list(tmp_path.glob("*.raw"))


def test_more_than_memory_is_mapped_and_leaves_no_file(tmp_path, small_faceset, monkeypatch):
    expected = decode_all(FaceSet(small_faceset), 8)[0]
    monkeypatch.setattr(decoded_images, "BYTES_IN_MEMORY", 100)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    images, where = decode_all(FaceSet(small_faceset), 8)
    assert torch.equal(images, expected) and where.startswith("mapped from ")
    assert not list(tmp_path.glob("*.raw"))


def test_pixels_are_not_spooled_to_memory(tmp_path, monkeypatch):
    shm = Path("/dev/shm")
    if not shm.is_dir() or not is_memory(shm):
        pytest.skip("this machine has no /dev/shm in memory")
    monkeypatch.setattr(tempfile, "tempdir", str(shm))
    assert scratch_folder(tmp_path) == tmp_path


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (closed := tmp_path / "closed").mkdir(mode=0o500)
    monkeypatch.setattr(tempfile, "tempdir", str(closed))
    monkeypatch.setattr(decoded_images, "is_memory", lambda folder: False)
    with pytest.raises(InputError, match="closed: cannot be written, and decoded images are spooled there; set TMPDIR"):
        scratch_folder(tmp_path)


def test_no_folder_for_temporary_files_is_said(tmp_path, monkeypatch):
    def none() -> str:
        raise FileNotFoundError("No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(InputError, match="no folder for temporary files: .* set TMPDIR to one that can be written"):
        scratch_folder(tmp_path)
