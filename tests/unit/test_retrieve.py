"""Downloads against a server on loopback: resumed, checked, unpacked, and what is said when they fail."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from semihard.errors import InputError
from semihard.settings.downloads import KNOWN, Download
from semihard.settings.paths import expand_path
from semihard.sources.retrieve import retrieve
from semihard.storage.checksum import sha256_of

CONTENT = os.urandom(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "0123456789" * 4


class Server(BaseHTTPRequestHandler):
    """`/whole` knows ranges, `/plain` does not, `/cut` closes in the middle; and a Hub with one repository. asked: the ranges."""

    asked: ClassVar[list[str | None]] = []

    def do_HEAD(self):
        self.do_GET(head=True)

    def do_GET(self, head: bool = False):
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        if self.path.startswith(("/api/", "/me/")):
            return self.hub(head)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.path != "/plain" else 0
        if self.path == "/none":
            return self.send_error(404)
        if start >= len(CONTENT):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : 2_000_000 if self.path == "/cut" and not start else None])

    def hub(self, head: bool) -> None:
        files = {"config.json": b"{}", "part/model.pt": CONTENT}
        if self.path.startswith("/api/"):
            tree = [{"type": "file", "path": name, "size": len(body), "oid": "0"} for name, body in files.items()]
            body, known = json.dumps(tree).encode(), f"me/faces/tree/{COMMIT}" in self.path
        else:
            _, _, repository, _, revision, *name = self.path.split("/")
            body, known = files.get("/".join(name), b""), revision == COMMIT and repository == "faces"
        error = None if known and body else "EntryNotFound" if known else "RevisionNotFound"
        body = b"{}" if error else body
        self.send_response(404 if error else 200)
        for name, value in {
            "X-Error-Code": error,
            "X-Repo-Commit": COMMIT,
            "ETag": f'"{hashlib.md5(body).hexdigest()}"',
        }.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def download(server: str, path: str, digest: str = DIGEST, **more: object) -> Download:
    return Download(url=f"{server}/{path}", sha256=digest, **more)


def test_a_file_is_fetched_whole(server, tmp_path):
    retrieve(download(server, "whole"), tmp_path / "downloads/a.bin")
    assert (tmp_path / "downloads/a.bin").read_bytes() == CONTENT
    assert not list((tmp_path / "downloads/.partial").iterdir())


@pytest.mark.parametrize("path", ["whole", "plain"])
def test_what_came_before_an_interruption_is_kept(server, tmp_path, path):
    """A lost connection, then the rest; a server without ranges sends all again."""
    with pytest.raises(
        ConnectionError, match=r"/cut: the connection was lost after 2000000 of 3000000 bytes; run again"
    ):
        retrieve(download(server, "cut"), tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists() and (tmp_path / ".partial" / DIGEST).stat().st_size == 2_000_000
    Server.asked.clear()
    retrieve(download(server, path), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT and Server.asked == ["bytes=2000000-"]


def test_what_was_put_there_by_hand_needs_no_network(tmp_path):
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / DIGEST).write_bytes(CONTENT)
    retrieve(Download(url="http://127.0.0.1:9/a", sha256=DIGEST), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"of another file", CONTENT + b"more"], ids=["shorter", "longer"])
def test_what_was_left_of_another_file_is_fetched_anew(server, tmp_path, left):
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / DIGEST).write_bytes(left)
    retrieve(download(server, "whole"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_another_file_than_the_checksums_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(
        InputError, match=rf"sha256 is {DIGEST}, expected 00000.*; the file is another one now, or was changed"
    ):
        retrieve(download(server, "whole", "0" * 64), tmp_path / "a.bin")
    assert [path.name for path in tmp_path.rglob("*")] == [".partial"]


def test_a_server_that_has_nothing_and_none_at_all(server, tmp_path):
    with pytest.raises(
        ConnectionError, match=rf"/none: the server says 404 Not Found; fetch it elsewhere, put it at .*{DIGEST}, and"
    ):
        retrieve(download(server, "none"), tmp_path / "a.bin")
    with pytest.raises(
        ConnectionError, match=r"127\.0\.0\.1:9/a: cannot be fetched \(.*refused.*\), 0 bytes have come; run again"
    ):
        retrieve(Download(url="http://127.0.0.1:9/a", sha256=DIGEST), tmp_path / "a.bin")


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_an_archive_becomes_the_folder_in_it(tmp_path, kind):
    blob = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(blob, "w") as archive:
            archive.writestr("lfw/Ann/1.jpg", b"photograph")
    else:
        with tarfile.open(fileobj=blob, mode="w:gz") as archive:
            info = tarfile.TarInfo("lfw/Ann/1.jpg")
            info.size = 10
            archive.addfile(info, io.BytesIO(b"photograph"))
    digest = hashlib.sha256(blob.getvalue()).hexdigest()
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / digest).write_bytes(blob.getvalue())
    retrieve(Download(url="http://127.0.0.1:9/a", sha256=digest, unpack=True), tmp_path / "faces")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg")] == ["faces/Ann/1.jpg"]
    assert not list((tmp_path / ".partial").iterdir())


HUB = """
import sys
from semihard.settings.downloads import Download
from semihard.sources.retrieve import retrieve
commit, digest, out = sys.argv[1:]
pinned = {"hub": "me/faces", "revision": commit}
for name, given in {
    "model.pt": {"file": "part/model.pt", "sha256": digest},
    "whole": {},
    "wrong": {"file": "part/model.pt", "sha256": "0" * 64},
    "nofile": {"file": "none.pt", "sha256": digest},
    "norevision": {"revision": "f" * 40},
}.items():
    try:
        retrieve(Download(**pinned | given), f"{out}/{name}")
    except Exception as error:
        print(name, type(error).__name__, error)
"""


def of_the_hub(folder: Path, endpoint: str, **more: str) -> list[str]:
    environment = (
        os.environ | {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1"} | more
    )
    environment["PYTHONPATH"] = str(Path(__file__).parents[2] / "workflow_scripts")
    done = subprocess.run(
        [sys.executable, "-c", HUB, COMMIT, DIGEST, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_files_and_repositories_of_the_hub(server, tmp_path):
    said = of_the_hub(tmp_path, server)
    assert (tmp_path / "model.pt").read_bytes() == CONTENT
    files = {
        path.relative_to(tmp_path / "whole").as_posix() for path in (tmp_path / "whole").rglob("*") if path.is_file()
    }
    assert files == {"config.json", "part/model.pt"} and sha256_of(tmp_path / "whole/part/model.pt") == DIGEST
    assert len(said) == 3 and not any((tmp_path / name).exists() for name in ("wrong", "nofile", "norevision"))
    assert said[0].startswith(
        f"wrong InputError hub me/faces at {COMMIT}: sha256 of part/model.pt is {DIGEST}, expected 0000"
    )
    assert said[1] == f"nofile InputError hub me/faces at {COMMIT}: has no file none.pt; correct `file`"
    assert said[2].startswith(f"norevision InputError hub me/faces at {'f' * 40}: has no such revision")


def test_the_hub_offline(tmp_path):
    for line in of_the_hub(tmp_path, "http://127.0.0.1:9", HF_HUB_OFFLINE="1"):
        assert "ConnectionError" in line and "the Hub cannot be reached; run again where it can" in line


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "https://a.b/c"}, "sha256 is missing"),
        ({"sha256": DIGEST}, "needs a url, or a hub with its revision, and not both"),
        ({"url": "https://a.b/c", "hub": "a/b", "sha256": DIGEST}, "and not both"),
        ({"url": "ftp://a.b/c", "sha256": DIGEST}, "should match pattern"),
        ({"url": "http://a.b/c", "sha256": DIGEST}, "should match pattern"),
        ({"hub": "a/b", "file": "c", "sha256": DIGEST}, "revision is missing: the commit, all 40 digits"),
        ({"hub": "a/b", "revision": "main", "file": "c", "sha256": DIGEST}, "should match pattern"),
        ({"hub": "a/b", "revision": COMMIT, "file": "c"}, "sha256 is missing"),
        ({"hub": "a/b", "revision": COMMIT, "sha256": DIGEST}, "a whole repository is pinned by its revision"),
        ({"url": "https://a.b/c", "file": "d", "sha256": DIGEST}, "revision and file belong to a hub"),
    ],
)
def test_a_download_is_pinned(given, said):
    with pytest.raises(ValidationError, match=said):
        Download(**given)


def test_a_path_that_stands_for_a_download():
    assert expand_path("download:lfw_pairs.txt") == Path("downloads/lfw_pairs.txt")
    assert expand_path("download:lfw_funneled/Ann") == Path("downloads/lfw_funneled/Ann")
    for path in ("download:", "download:../x", "download:a/../../x", "download:/etc"):
        with pytest.raises(InputError, match="expected download:, the name of a download and what lies in it"):
            expand_path(path)
    assert all(known.url.startswith("https://") for known in KNOWN.values())
