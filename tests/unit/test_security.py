"""What comes from elsewhere is data: nothing in it is run, it stays in its folder, and it is no larger than it says."""

import ast
import os
import pickle
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import yaml

from semihard.errors import InputError
from semihard.sources.export import export_faces
from semihard.sources.importing import import_benchmark, import_faces
from semihard.sources.recordio_writer import RecordIOWriter
from semihard.sources.settings import BinBenchmark, FolderFaces, LMDBFaces, RecordIOFaces
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.pixels import decode_image, encode_image
from semihard.storage.provenance import Provenance
from semihard.workflow import configuration
from tests.unit.test_archive import pack
from tests.unit.test_lmdb_faces import write_lmdb
from tests.unit.toy_generator import toy_images

ROOT = Path(__file__).parents[2]
CODE = [
    *(ROOT / "workflow_scripts").rglob("*.py"),
    *(ROOT / "rules").glob("*.smk"),
    ROOT / "Snakefile",
    *(ROOT / "bench").rglob("*.py"),
]


# ── the code ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def dangers(tree: ast.AST) -> list[str]:
    """Calls that run what they read, or write where they are told to."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        last = name.rpartition(".")[2]
        if name.startswith(("pickle.", "cPickle.", "dill.", "joblib.", "shelve.", "marshal.")):
            found += [name] if last in ("load", "loads", "Unpickler", "open") else []
        elif (
            name
            in (
                "eval",
                "exec",
                "compile",
                "__import__",
                "os.system",
                "os.popen",
                "pd.read_pickle",
                "pandas.read_pickle",
            )
            or (name == "torch.load" and given.get("weights_only") != "True")
            or (name in ("np.load", "numpy.load") and given.get("allow_pickle", "False") != "False")
            or (
                name in ("yaml.load", "yaml.load_all")
                and "Safe" not in ast.unparse(node)
                and "BaseLoader" not in ast.unparse(node)
            )
            or name in ("yaml.unsafe_load", "yaml.full_load")
        ):
            found.append(name)
        elif given.get("shell") == "True":
            found.append(f"{name} shell=True")
        elif last in ("extractall", "extract", "unpack_archive") and given.get("filter") not in ("'data'", '"data"'):
            found.append(name)
        elif given.get("verify") == "False" or last == "_create_unverified_context":
            found.append(f"{name} without TLS's check")
        elif given.get("trust_remote_code") == "True":
            found.append(f"{name} trust_remote_code")
    return found


@pytest.mark.parametrize(
    "line",
    [
        "pickle.load(f)", "pickle.loads(b)", "pickle.Unpickler(f)", "torch.load(f)", "torch.load(f, weights_only=False)",
        "np.load(f, allow_pickle=True)", "yaml.load(f, yaml.Loader)", "yaml.load(f)", "eval(s)", "exec(s)", "os.system(s)",
        "subprocess.run(s, shell=True)", "tar.extractall(d)", "tar.extractall(d, filter='tar')", "z.extract(n)",
        "shutil.unpack_archive(a)", "requests.get(u, verify=False)", "load(m, trust_remote_code=True)",
    ],
)  # fmt: skip
def test_a_danger_is_seen(line):
    assert len(dangers(ast.parse(line))) == 1


def test_no_code_runs_what_it_reads():
    assert len(CODE) > 200
    found = []
    for path in CODE:
        if path.suffix == ".py":
            found += [
                f"{path.relative_to(ROOT)}: {what}" for what in dangers(ast.parse(path.read_text(encoding="utf-8")))
            ]
    assert found == ["workflow_scripts/semihard/workflow/configuration.py: yaml.load"]
    assert issubclass(configuration._UniqueKeys, yaml.SafeLoader)


def test_no_rule_runs_a_shell():
    for path in CODE:
        if path.suffix != ".py":
            text = path.read_text(encoding="utf-8")
            assert not any(word in text for word in ("shell:", "run:\n", "eval(", "exec(", "os.system")), path


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────

NAMES = [
    "../../x",
    "/etc/x",
    "a/../../../x",
    "..",
    ".",
    "-rf",
    "a\nb",
    "a\0b",
    "C:\\x",
    "~/x",
    " ",
    "n" * 300,
    "a/b",
    "$(touch x)",
]


@pytest.mark.parametrize("form", ["folder", "recordio", "webdataset", "parquet"])
@pytest.mark.parametrize("name", NAMES)
def test_an_identity_stays_in_the_folder_it_is_exported_to(tmp_path, form, name):
    """However it is called, no file lies outside, and every image is exported once."""
    names = [name.replace("\0", "␀"), "plain"]  # HDF5 ends a text at a NUL
    inner = tmp_path / "a/b/c"
    with FaceSetWriter(tmp_path / "faces.h5", (16, 16), "png") as writer:
        writer.add(toy_images(2), names)
    before = everything(tmp_path)
    try:
        export_faces(tmp_path / "faces.h5", inner / "export", form)
    except InputError as refused:
        assert str(tmp_path) in str(refused)
    made = everything(tmp_path) - before
    assert made == {path for path in made if path == inner or inner in path.parents or path in inner.parents}
    assert not Path("x").exists()


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("kind", ["f.zip", "f.tar"])
@pytest.mark.parametrize("name", ["../../x/0.png", "/x/0.png", "a/../../x/0.png", "..\\x\\0.png", "a\nb/0.png"])
def test_an_archive_writes_nothing_but_the_face_set(tmp_path, kind, name):
    image = encode_image(toy_images(1)[0], "png")
    path = pack(tmp_path / kind, {name: image, "b/0.png": image})
    before = everything(tmp_path)
    settings = FolderFaces(source="folder", path=str(path), align="none")
    try:
        import_faces(settings, tmp_path / "faces.h5", Provenance())
    except InputError as refused:
        assert str(path) in str(refused)
    assert everything(tmp_path) - before <= {tmp_path / "faces.h5"}


# ── bombs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def bomb(side: int = 12_000) -> bytes:
    """A PNG of 144 million grey pixels in a megabyte: 432 MB when it is decoded to RGB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compressobj(1)
    data = b"".join(rows.compress(bytes(side + 1) * 100) for _ in range(side // 100)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def large() -> bytes:
    return bomb()


def test_a_bomb_is_not_decoded(large):
    assert len(large) < 2_000_000
    with pytest.raises(ValueError, match="more than 100 million|decompression bomb|exceeds limit"):
        decode_image(large)


def in_a_folder(folder: Path, blob: bytes) -> FolderFaces:
    for name in ("a", "b"):
        (folder / "photos" / name).mkdir(parents=True)
        (folder / "photos" / name / "0.png").write_bytes(blob)
    return FolderFaces(source="folder", path=str(folder / "photos"), align="none")


def in_a_zip(folder: Path, blob: bytes) -> FolderFaces:
    path = pack(folder / "photos.zip", {"a/0.png": blob, "b/0.png": blob})
    return FolderFaces(source="folder", path=str(path), align="none")


def in_records(folder: Path, blob: bytes) -> RecordIOFaces:
    with RecordIOWriter(folder / "set", (16, 16)) as writer:
        writer.add(blob, "a")
        writer.add(blob, "b")
    return RecordIOFaces(source="recordio", path=str(folder / "set"))


def in_a_database(folder: Path, blob: bytes) -> LMDBFaces:
    return LMDBFaces(source="lmdb", path=str(write_lmdb(folder / "a.lmdb", [0, 1], [blob, blob])))


@pytest.mark.parametrize("place", [in_a_folder, in_a_zip, in_records, in_a_database])
def test_a_bomb_among_faces_is_told(tmp_path, large, place):
    """When it is imported, or, where its bytes are only kept, when somebody looks at it."""
    with pytest.raises(InputError, match=r"100 million|decompression bomb|exceeds limit"):
        import_faces(place(tmp_path, large), tmp_path / "faces.h5", Provenance())
        FaceSet(tmp_path / "faces.h5").images([0])


def test_a_bomb_in_a_benchmark_is_told(tmp_path, large):
    (tmp_path / "lfw.bin").write_bytes(pickle.dumps(([large] * 40, [True, False] * 10), protocol=2))
    with pytest.raises(InputError, match=r"100 million|decompression bomb|exceeds limit"):
        settings = BinBenchmark(source="bin", path=str(tmp_path / "lfw.bin"))
        import_benchmark(settings, tmp_path / "faces.h5", tmp_path / "pairs.h5", Provenance())
        FaceSet(tmp_path / "faces.h5").images([0])


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────

NAMES_OF_SECRETS = ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD")
STAGE = """
import sys
from pathlib import Path
from semihard.workflow.job import job
from tests.unit import toy_stages
from tests.unit.test_job import snakemake
folder = Path(sys.argv[1])
toy_stages.prepare(folder / "inputs")
for name, stage in toy_stages.STAGES.items():
    with job(snakemake(folder / name)):
        stage.run(folder / "inputs", folder / name)
try:
    with job(snakemake(folder / "failed")):
        raise ZeroDivisionError
except SystemExit:
    pass
"""


def test_no_secret_of_the_environment_is_written(tmp_path):
    environment = os.environ | {name: f"hunter2-{name}" for name in NAMES_OF_SECRETS}
    environment["PYTHONPATH"] = f"{ROOT / 'workflow_scripts'}:{ROOT}"
    command = [sys.executable, "-c", STAGE, tmp_path]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 30 and "Traceback" in (tmp_path / "failed/logs/x.log").read_text(encoding="utf-8")
    said = [path.read_bytes() for path in files] + [done.stdout.encode(), done.stderr.encode()]
    assert not any(b"hunter2" in blob for blob in said)
