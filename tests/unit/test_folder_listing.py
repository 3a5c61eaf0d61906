"""What the digest of a folder of files notices, and what it costs."""

import os
import time

import pytest

from semihard.sources.settings import FolderFaces, IJBBenchmark, LMDBFaces, PairsBenchmark
from semihard.workflow import folder_listing
from semihard.workflow.folder_listing import listing_of
from semihard.workflow.user_files import data_path


@pytest.fixture
def folders(tmp_path):
    for identity in "ab":
        (tmp_path / identity).mkdir()
        (tmp_path / identity / "0.jpg").write_bytes(b"x")
    return [tmp_path, tmp_path / "a", tmp_path / "b"]


def listed(paths) -> str | None:
    folder_listing._listing.cache_clear()
    return listing_of(paths)


def test_what_is_noticed(folders):
    before = [listed(folders)]
    (folders[1] / "0.jpg").write_bytes(b"xy")
    before.append(listed(folders))
    os.utime(folders[1] / "0.jpg", ns=(0, 5))
    before.append(listed(folders))
    (folders[2] / "0.jpg").rename(folders[2] / "1.jpg")
    before.append(listed(folders))
    (folders[2] / os.fsdecode(b"caf\xe9.jpg")).touch()
    before.append(listed(folders))
    assert len(set(before)) == len(before)
    (folders[2] / ".DS_Store").touch()
    (folders[2] / "gone.jpg").symlink_to("nowhere")
    (folders[2] / "loop.jpg").symlink_to("loop.jpg")
    assert listed(folders) == before[-1]


@pytest.mark.parametrize(
    ("entry", "file"),
    [
        (FolderFaces(source="folder", path="set"), "set/a/0.jpg"),
        (FolderFaces(source="folder", path="set", tiles=4), "set/0.jpg"),
        (LMDBFaces(source="lmdb", path="set"), "set/data.mdb"),
        (PairsBenchmark(source="pairs", pairs="pairs.txt", folder="set"), "set/a/a_0001.jpg"),
        (IJBBenchmark(source="ijb", path=".", name="ijbb"), "loose_crop/1.jpg"),
    ],
    ids=lambda value: getattr(value, "source", None),
)
def test_every_source_of_files_in_folders(tmp_path, monkeypatch, entry, file):
    monkeypatch.chdir(tmp_path)
    lists = [f"meta/ijbb_{kind}.txt" for kind in ("face_tid_mid", "template_pair_label", "name_5pts_score")]
    for name in (file, "pairs.txt", *lists):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    before = listed(data_path("x", entry))
    (tmp_path / file).write_bytes(b"xy")
    assert before and listed(data_path("x", entry)) != before


def test_files_alone_are_not_listed(folders):
    assert listed([folders[1] / "0.jpg"]) is None
    assert listed([folders[1] / "0.jpg", folders[1]]) == listed([folders[1]])


def test_a_process_looks_once(folders):
    before = listed(folders)
    (folders[1] / "0.jpg").write_bytes(b"xy")
    assert listing_of(folders) == before


def test_large_folders_are_left_to_their_own_times(folders, monkeypatch):
    monkeypatch.setattr(folder_listing, "LISTED_AT_MOST", 1)
    assert listed(folders) is None
    monkeypatch.setattr(folder_listing, "LISTED_AT_MOST", 2)
    assert listed(folders)


def test_fifty_thousand_files_take_a_second(tmp_path):
    for number in range(5_000):
        (tmp_path / f"{number}.jpg").touch()
    began = time.process_time()
    assert listed([tmp_path])
    assert time.process_time() - began < 0.4, "ten times as many are allowed"
