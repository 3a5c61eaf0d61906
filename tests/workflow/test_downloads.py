"""Files that a study fetches by itself: served on loopback, checked, fetched once."""

import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from semihard.recognizer.backbone import build_backbone
from semihard.storage.checksum import sha256_of
from tests.studies.stand_ins import write_benchmark, write_folder
from tests.workflow.conftest import copy_project


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path):
    """(folder, its address): a checkpoint, a benchmark and an archive of photographs."""
    folder = tmp_path / "served"
    folder.mkdir()
    torch.manual_seed(0)
    torch.save(build_backbone("mobilefacenet", (112, 112), 512).state_dict(), folder / "mine.pth")
    write_benchmark(folder / "lfw.bin", 40, 70_000)
    write_folder(tmp_path / "photos", ((6, 2),), 71_000)
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for path in sorted((tmp_path / "photos").rglob("*.*")):
            archive.write(path, f"photos/{path.relative_to(tmp_path / 'photos')}")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def study(folder, address: str) -> dict:
    names = {"mine.pth": {}, "lfw.bin": {}, "photos.zip": {"unpack": True}}
    downloads = {
        name.removesuffix(".zip"): {"url": f"{address}/{name}", "sha256": sha256_of(folder / name), **more}
        for name, more in names.items()
    }
    return {
        "results": "results/fetched",
        "downloads": downloads,
        "facesets": {"photos": {"source": "folder", "path": "download:photos"}},
        "embedders": {"mine": {"source": "weights", "path": "download:mine.pth", "layout": "mobilefacenet_facexzoo"}},
        "benchmarks": {"lfw": {"source": "bin", "path": "download:lfw.bin"}},
        "study": {"references": ["mine"], "benchmarks": ["lfw"], "show": ["photos"], "embedder": "mine"},
    }


def test_a_study_fetches_what_it_needs_once(served, tmp_path, warm):
    folder, address = served
    (tmp_path / "project").mkdir()
    project = copy_project(tmp_path / "project", warm)
    config = study(folder, address)
    project.configure(config)
    assert {"retrieve_file": 2, "retrieve_folder": 1}.items() <= project.would_run().items()
    project.snakemake("--cores", "2")
    assert sha256_of(project.folder / "downloads/lfw.bin") == config["downloads"]["lfw.bin"]["sha256"]
    assert len(list((project.folder / "downloads/photos").rglob("*.jpg"))) == 12
    assert project.would_run() == {}
    write_benchmark(folder / "lfw.bin", 40, 72_000)
    project.configure(study(folder, address))
    jobs = project.would_run()
    assert {"retrieve_file", "import_benchmark", "verify_embedder"} <= set(jobs) and jobs["retrieve_file"] == 1
    assert "import_faces" not in jobs and "import_embedder" not in jobs

    wrong = study(folder, address)
    wrong["downloads"]["lfw.bin"]["sha256"] = "0" * 64
    project.configure(wrong)
    out = project.snakemake("--cores", "1", "--", "results/fetched/benchmarks/lfw/faces.h5", check=False)
    assert "retrieve_file: " in out and "expected 0000" in out and "Traceback" not in out
    unknown = study(folder, address)
    unknown["benchmarks"]["lfw"]["path"] = "download:lfw.bim"
    project.configure(unknown)
    out = project.snakemake("-n", check=False)
    assert "benchmarks.lfw.path: 'lfw.bim' is not an entry of downloads; did you mean 'lfw.bin'?" in out
