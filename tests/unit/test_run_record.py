"""Run records: what a job read, made and took, beside the results; and what the artifacts carry of it."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from semihard.errors import InputError
from semihard.storage.run_records import Records, read_record, results_of
from semihard.workflow import job as job_module
from semihard.workflow import run_record, usage
from semihard.workflow.job import job
from semihard.workflow.usage import Nvml, Usage, visible_gpus
from tests.unit.toy_study import (
    FACES,
    MODEL,
    RESULTS,
    make_study,
    record_of,
    run,
    stand_in,
    write_embeddings,
    write_text,
)

pytestmark = pytest.mark.usefixtures("own_folder")


def sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def carried(path: str) -> dict:
    with h5py.File(path) as h5:
        return dict(h5.attrs)


def embed(**inputs) -> dict:
    """What the artifact of a job carries of these inputs."""
    run("embed_faces", inputs, {"embeddings": f"{RESULTS}/e.h5"})
    return json.loads(carried(f"{RESULTS}/e.h5")["inputs"])


def test_a_record_says_what_a_job_read_made_and_took():
    make_study()
    record = record_of("train_recognizer", "3")
    [read], made = record["inputs"]["faces"], record["outputs"][MODEL]
    assert read["path"] == FACES and read["sha256"] == sha256(FACES) and read["size"] == Path(FACES).stat().st_size
    assert made["sha256"] == sha256(MODEL) and made["mtime_ns"] == Path(MODEL).stat().st_mtime_ns
    assert (record["rule"], record["seed"], record["code"]) == ("train_recognizer", 3, "code of train_recognizer")
    assert record["device"] == "cpu" and record["gpus"] == [] and record["energy_j"] is None and record["gpu_s"] == 0
    assert record["wall_s"] > 0 and record["cpu_s"] > 0 and record["peak_memory_bytes"] > 10_000_000
    assert (
        record["host"] and record["started"].endswith("+00:00") and record["attempts"] == [] and not record["resumed"]
    )
    assert set(json.loads(carried(MODEL)["versions"])) == set(record["versions"])


def test_artifacts_carry_digests_by_name_and_nothing_of_time_place_or_run(tmp_path, monkeypatch):
    copies = []
    for place in ("here", "there/further"):
        (tmp_path / place).mkdir(parents=True)
        monkeypatch.chdir(tmp_path / place)
        make_study()
        copies.append({path: Path(path).read_bytes() for path in (FACES, MODEL)})
    assert copies[0] == copies[1]
    assert json.loads(carried(MODEL)["inputs"]) == {"faces": sha256(FACES)} and carried(MODEL)["device"] == "cpu"
    assert json.loads(carried(FACES)["inputs"]) == {"data": [sha256("faces.rec")]}


def test_shards_leave_the_bytes_of_the_gathered_set_as_they_are():
    for name in ("a", "b"):
        Path(name).write_text(name)
    assert embed(shards=["a"], faces="a") == embed(shards=["a", "b"], faces="a") == {"faces": sha256("a")}


def test_a_users_folder_is_told_by_names_and_sizes_and_a_made_one_by_its_bytes():
    (Path("photos") / "anna").mkdir(parents=True)
    image = Path("photos/anna/1.jpg")
    image.write_bytes(b"first")
    both = ["photos", "photos/anna"]
    [first] = embed(data=both)["data"]
    assert first.startswith("listing:") and record_of("embed_faces")["inputs"]["data"][0]["kind"] == "listing"
    image.write_bytes(b"other")
    assert embed(data=both)["data"] == [first]  # what a listing cannot tell
    image.rename("photos/anna/2.jpg")
    assert embed(data=both)["data"] != [first]

    Path("photos/.snakemake_timestamp").touch()  # as in every folder that a rule declares
    whole = embed(data="photos")["data"]
    Path("photos/anna/2.jpg").write_bytes(b"third")
    assert embed(data="photos")["data"] != whole and not whole.startswith("listing:")


def test_what_has_been_read_is_not_read_again_while_its_size_and_time_are_the_same(monkeypatch):
    make_study()
    read = []
    monkeypatch.setattr(run_record, "READ_AT_ONCE", 0)
    monkeypatch.setattr(run_record, "sha256_of", lambda path: read.append(str(path)) or sha256(str(path)))
    known = embed(faces=FACES, model=MODEL)
    assert read == [f"{RESULTS}/e.h5"]
    os.utime(FACES)  # as Snakemake does when the job has ended
    assert embed(faces=FACES, model=MODEL) == known and read.count(FACES) == 1
    assert embed(faces=FACES, model=MODEL) == known and read.count(FACES) == 1
    content = bytearray(Path(FACES).read_bytes())
    content[-1] ^= 1
    Path(FACES).write_bytes(content)
    assert embed(faces=FACES, model=MODEL)["faces"] == sha256(FACES) != known["faces"]


def test_an_attempt_that_fails_or_is_stopped_leaves_no_record_and_counts_in_the_next(monkeypatch):
    Path("a").write_text("a")
    for error in (InputError("bad"), SystemExit(143)):
        with pytest.raises(SystemExit), job(stand_in("embed_faces", {"faces": "a"}, {"out": f"{RESULTS}/e.h5"})):
            raise error
        assert not list(Path(RESULTS).rglob("*.json"))
    Path(f"{RESULTS}/e.h5.resume").mkdir()
    embed(faces="a")
    record = record_of("embed_faces")
    assert len(record["attempts"]) == 2 and record["resumed"] and not list(Path(RESULTS).rglob("*.attempts"))
    [read] = Records(RESULTS).records
    assert read.lost_attempts == 0 and len(read.known_attempts) == 3
    embed(faces="a")  # a run of its own
    assert record_of("embed_faces")["attempts"] == []


def test_an_attempt_that_is_killed_is_counted_and_one_at_other_inputs_is_not():
    Path("a").write_text("a")
    program = (
        "import os, signal; from tests.unit.toy_study import *; make = stand_in('embed_faces', {'faces': 'a'}, {})\n"
        "with job(make): os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(run_record.__file__).parents[3]
    path = os.pathsep.join([str(root), str(root / "workflow_scripts")])
    killed = subprocess.run([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": path})
    assert killed.returncode == -signal.SIGKILL and not list(Path(RESULTS).rglob("*.json"))
    [left] = Path(RESULTS).rglob("*.attempts")
    kept = left.read_text()
    embed(faces="a")
    [record] = Records(RESULTS).records
    assert record.lost_attempts == 1 and len(record.known_attempts) == 1
    left.write_text(kept)
    Path("a").write_text("b")
    embed(faces="a")
    assert record_of("embed_faces")["attempts"] == []


def test_a_record_that_cannot_be_written_costs_no_result():
    Path(RESULTS).mkdir(parents=True)
    Path(RESULTS, "provenance").write_text("in the way")
    run("embed_faces", {}, {"embeddings": f"{RESULTS}/e.h5"})
    log = Path(f"{RESULTS}/logs/embed_faces.log").read_text()
    assert "not written" in log and "the results are whole all the same" in log and carried(f"{RESULTS}/e.h5")


def test_the_place_of_a_record_is_that_of_the_log_also_under_another_name():
    stub = stand_in("embed_faces", {}, {})
    stub.rule, stub.log = "other_embed_faces", ["logs/b/logs/embed_faces/logs/real.log"]
    assert run_record.record_path(stub) == Path("logs/b/provenance/embed_faces/logs/real.json")
    stub.log = ["embed.log"]
    assert run_record.record_path(stub) is None


def test_results_that_were_moved_have_their_records_still(tmp_path):
    make_study()
    shutil.move("results", tmp_path / "elsewhere")
    inside = "elsewhere/toy/facesets/real.h5"
    records = Records(results_of(inside))
    assert records.recorded(inside) == FACES and records.located(FACES) == Path(inside)
    assert records.recorded(tmp_path / inside) == FACES
    assert [job.rule for job in records.ancestors([MODEL])] == ["import_faces", "train_recognizer"]
    assert records.located("faces.rec") == Path("faces.rec")


def test_of_two_jobs_that_made_a_file_the_last_counts():
    run("import_faces", {}, {"faces": FACES}, faceset="real")
    file = Path(RESULTS, "provenance/import_faces/real.json")
    file.write_text(file.read_text().replace('"started": "2', '"started": "1'))
    run("render_faces", {}, {"faces": FACES}, faceset="real")
    assert Records(RESULTS).maker(FACES).rule == "render_faces"


def spoil(record: dict, **values: object) -> str:
    return json.dumps(record | values)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda record: "{", "it is no JSON"),
        (lambda record: "[" * 100_000, "it is no JSON"),
        (lambda record: "[]", "it is no list of names and values"),
        (lambda record: "{}", "it has no 'rule'"),
        (lambda record: spoil(record, started=3), "its 'started' is not what"),
        (lambda record: spoil(record, attempts=[None]), "its 'attempts' are not what"),
        (lambda record: spoil(record, inputs={"data": "a"}), "its 'inputs' are not what"),
        (lambda record: spoil(record, inputs={"data": [{"path": "a"}]}), "its 'inputs' are not what"),
        (lambda record: spoil(record, outputs=[]), "its 'outputs' are not what"),
        (lambda record: spoil(record, outputs={FACES: {"size": "large"}}), "its 'outputs' are not what"),
    ],
)
def test_what_is_no_record_is_said_in_plain_words(content, said):
    make_study()
    file = Path(RESULTS, "provenance/import_faces/real.json")
    file.write_text(content(json.loads(file.read_text())))
    with pytest.raises(InputError) as error:
        read_record(file)
    assert str(error.value).startswith(f"{file}: cannot be read as a run record ({said}")
    assert not re.search("Error|delete|NoneType", str(error.value))
    records = Records(RESULTS)
    assert records.damaged == [str(error.value)] and records.maker(FACES) is None and records.maker(MODEL)


def test_only_the_records_of_what_made_some_files_are_read():
    make_study()
    assert [record.rule for record in Records(RESULTS, makers_of=[MODEL]).records] == ["train_recognizer"]
    inside = Records(RESULTS, makers_of=[f"{MODEL}/in/it"])
    assert inside.maker(f"{MODEL}/in/it").rule == "train_recognizer" and not Records(RESULTS, makers_of=[]).records


def test_an_input_of_other_bytes_than_were_recorded_is_one_warning():
    make_study()
    log = Path(RESULTS, "logs/embed_faces.log")
    embed(faces=FACES, model=MODEL, data="faces.rec")
    assert "other bytes" not in log.read_text()
    for path in (FACES, MODEL):
        content = bytearray(Path(path).read_bytes())
        content[-1] ^= 1
        Path(path).write_bytes(content)
    embed(faces=FACES, model=MODEL, data="faces.rec")
    [line] = [line for line in log.read_text().splitlines() if "other bytes" in line]
    assert f"{FACES}, made by import_faces (" in line and f"{MODEL}, made by train_recognizer (" in line
    assert f"make check_results RESULTS={RESULTS}" in line and "faces.rec" not in line


def test_of_a_job_on_several_nodes_who_started_it_writes_the_record(monkeypatch):
    stub = stand_in("train_recognizer", {}, {"model": MODEL}, seed="0")
    stub.resources.nodes, stub.resources.gres = 2, "gpu:4"

    def on_each_node(nodes: int) -> None:
        if nodes == 1 or run_record.is_on_each_node():
            return
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
            patch.setenv("SEMIHARD_RENDEZVOUS", "2 here:1")
            with job(stub) as provenance:
                write_embeddings(MODEL, provenance)
            assert not list(Path(RESULTS, "provenance").rglob("*.json"))
            raise SystemExit(0)
        raise ended.value

    monkeypatch.setattr(job_module, "on_each_node", on_each_node)
    monkeypatch.setattr(run_record, "Usage", lambda gpus, nodes: Usage(gpus, lambda: Nvml(Library()), nodes))
    monkeypatch.setattr(usage.sys.modules["torch"].cuda, "is_available", lambda: True)
    monkeypatch.setattr(usage.sys.modules["torch"].cuda, "device_count", lambda: 4)
    with pytest.raises(SystemExit) as ended, job(stub):
        pytest.fail("the body runs on each node alone")
    record = record_of("train_recognizer", "0")
    assert ended.value.code == 0 and len(record["gpus"]) == 8 and record["energy_j"] is None
    assert record["outputs"][MODEL]["sha256"] == sha256(MODEL) and carried(MODEL)["device"] == record["device"]
    assert not list(Path(RESULTS).rglob("*.attempts"))


class Library:
    """NVIDIA's library, of two GPUs that take 5 joules more at each look; a part of a GPU has no meter."""

    looks = 0

    def nvmlDeviceGetHandleByIndex_v2(self, index, device):
        device._obj.value = index.value + 1
        return 0

    def nvmlDeviceGetHandleByUUID(self, uuid, device):
        device._obj.value = 9
        return 0

    def nvmlDeviceGetName(self, device, text, length):
        text.value = f"GPU {device.value}".encode()
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, device, millijoules):
        Library.looks += 1
        millijoules._obj.value = 5000 * Library.looks
        return 3 if device.value == 9 else 0


def test_energy_and_names_are_those_of_the_gpus_that_a_job_has(monkeypatch):
    def usage_of(count: int) -> dict:
        measured = Usage(count, lambda: Nvml(Library()))
        return measured.so_far() | {"device": measured.device}

    monkeypatch.setattr(usage.sys.modules["torch"].cuda, "is_available", lambda: True)
    monkeypatch.setattr(usage.sys.modules["torch"].cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    two = usage_of(2)
    assert two["gpus"] == ["GPU 2", "GPU 1"] and two["device"] == "1 x GPU 1 + 1 x GPU 2" and two["energy_j"] == 20
    assert two["gpu_s"] == pytest.approx(2 * two["wall_s"], abs=0.02)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1,MIG-2")
    assert usage_of(2)["energy_j"] is None and visible_gpus(1) == ["MIG-1"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpus(2) == [0, 1] and usage_of(0)["device"] == "cpu"


def test_a_text_output_has_its_record_too():
    run("plot", {}, {"csv": f"{RESULTS}/figures/a.csv"}, None, write_text)
    assert record_of("plot")["outputs"][f"{RESULTS}/figures/a.csv"]["sha256"] == sha256(f"{RESULTS}/figures/a.csv")
    write_embeddings(f"{RESULTS}/b.h5", None)  # a stage that is called without a job
    assert not {"inputs", "device"} & set(carried(f"{RESULTS}/b.h5"))
