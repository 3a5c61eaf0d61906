"""What happens to the long stages when something breaks: every cell of the first table of docs/faults.md is a test here.

One process imports and prepares all there is, in a mount namespace of its own where the system allows it, then forks a
child per cell; a child is a job as Snakemake runs it.
"""

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.killing import kill_at, output_of

ROOT = Path(__file__).parents[2]
STAGES = ["import of faces", "embedding", "generator training", "synthesis", "recognizer training", "verification"]
FAULTS = {
    "input cut short": r"IN.*(no readable image|is no whole face set|not a readable generator file)",
    "a byte of the input changed": r"IN.*(no readable image|changed since they were written; delete it and run again \(rm )",
    "input missing": r"IN.*(not found|No such file|is no folder)",
    "input of a newer version": r"IN.*schema 99.*make it again with this version",
    "disk full": r"No space left on device; nothing finished was lost: free space and run again",
    "file too large for the file system": r"File too large; nothing finished was lost: free space and run again",
    "results read-only": r"Read-only file system",
    "results folder a link to nowhere": r"OUT.*is a link to .*, which is not there; make it, or remove the link",
    "no memory": r"memory.*(lower|more memory)",
    "SIGTERM": "",
    "SIGINT": "",
}
# It reads photographs, not artifacts: a changed one is another photograph.
NONE = {("input of a newer version", "import of faces"), ("a byte of the input changed", "import of faces")}
CELLS = [(fault, stage) for fault in FAULTS for stage in STAGES if (fault, stage) not in NONE]
MOUNTED = {"disk full", "results read-only"}


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, dict]:
    """What every cell came to."""
    folder = tmp_path_factory.mktemp("faults")
    own_mounts = ["unshare", "--mount"]
    can = not os.getuid() and not subprocess.run([*own_mounts, "true"], capture_output=True).returncode
    lines = output_of(__file__, folder, int(can), before=own_mounts if can else [])
    return {cell: result for line in lines if line.startswith("{") for cell, result in json.loads(line).items()}


@pytest.mark.parametrize(("fault", "stage"), CELLS)
def test_cell(found, fault, stage):
    result = found[f"{fault}: {stage}"]
    if result is None:
        pytest.skip("needs root, to mount a file system of its own")
    said, status = result["log"], result["status"]
    assert "Traceback" not in said, said
    if fault in ("SIGTERM", "SIGINT"):
        assert status == 128 + getattr(signal, fault), said
    else:
        assert status == 1 and re.search(FAULTS[fault], said.splitlines()[-1]), said
    assert result["left"] == [], "half a file under its name"
    assert result["again"], said


def test_the_page_has_these_rows_and_columns():
    page = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
    table = page.split("\n| what breaks |")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in f"| what breaks |{table}".splitlines()]
    assert rows[0][1:] == STAGES
    assert [row[0] for row in rows[2:]] == ["SIGKILL, at any moment", *FAULTS]
    said = {(row[0], stage) for row in rows[2:] for stage, cell in zip(STAGES, row[1:], strict=True) if cell != "—"}
    assert said == {*CELLS, *(("SIGKILL, at any moment", stage) for stage in STAGES)}
    assert all(row[1:] and all(row) for row in rows[2:])


# ── the process of its own ───────────────────────────────────────────────────────────────────────────────────────────


def main(folder: Path, can_mount: bool) -> None:
    from tests.unit import toy_stages

    folder = folder.resolve()
    toy_stages.prepare(folder / "inputs")
    assert list(toy_stages.STAGES) == STAGES
    for name, stage in toy_stages.STAGES.items():
        _, moments = run(stage, folder / "inputs", folder / f"whole {name}", folder)
        whole = contents(folder / f"whole {name}")
        for fault in FAULTS:
            if (fault, name) in CELLS:
                able = can_mount or fault not in MOUNTED
                result = cell(fault, stage, folder, whole, moments) if able else None
                print(json.dumps({f"{fault}: {name}": result}), flush=True)


def contents(folder: Path) -> dict[str, bytes]:
    """Finished files by their path in a folder."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    kept = [path for path in files if ".resume" not in path.as_posix() and path.suffix != ".embeddings"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in kept}


def run(stage, inputs: Path, made: Path, folder: Path, before=lambda: None, moment=None, number=signal.SIGKILL):
    """The job in a fork: how it ended, and its moments."""
    from semihard.workflow.job import job
    from tests.unit.test_job import snakemake

    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        stub = snakemake(folder)
        try:
            with job(stub):
                kill_at(moment, folder / "moments", stage.places, number)
                before()
                stage.run(inputs, made)
        except SystemExit as end:
            os._exit(end.code)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    return os.waitstatus_to_exitcode(status), int((folder / "moments").read_bytes() or b"0")


def cell(fault: str, stage, folder: Path, whole: dict[str, bytes], moments: int) -> dict:
    import shutil

    made, log, given, inputs = folder / "made", folder / "logs/x.log", {}, folder / "inputs"
    shutil.rmtree(made, ignore_errors=True)
    log.unlink(missing_ok=True)
    Path(f"{log}.failed").unlink(missing_ok=True)
    mended = bool
    target = inputs / (stage.input if "newer" not in fault else stage.hdf5)
    if fault == "input missing" and "photos" in stage.input:
        target = inputs / "photos"
    away = folder / "away"
    if fault in MOUNTED:
        size = max(8192, sum(map(len, whole.values())) // 2) if fault == "disk full" else 1 << 27
        made.mkdir()
        mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", made)
        if fault == "results read-only":
            mount("-o", "remount,ro", made)
        mended = lambda: mount("-o", "remount,rw,size=128m", made)  # noqa: E731
    elif fault == "results folder a link to nowhere":
        made.symlink_to(folder / "nowhere")
        mended = made.unlink
    elif fault == "file too large for the file system":
        limit = max(map(len, whole.values())) // 2
        given["before"] = lambda: limited(resource.RLIMIT_FSIZE, limit)
    elif fault == "no memory":
        given["before"] = lambda: without_memory(*stage.places[-1])
    elif fault in ("SIGTERM", "SIGINT"):
        given |= {"moment": moments // 2, "number": getattr(signal, fault)}
    else:
        shutil.copytree(inputs, away)
        spoil(fault, target)
    try:
        status, _ = run(stage, inputs, made, folder, **given)
        left = [name for name, blob in contents(made).items() if whole.get(name) != blob] if made.exists() else []
        said = log.read_text(encoding="utf-8")
        said = said.replace(str(target), "IN").replace(str(made), "OUT")
        if away.exists():
            shutil.rmtree(inputs)
            away.rename(inputs)
        mended()
        again = run(stage, inputs, made, folder)[0] == 0 and contents(made) == whole
    finally:
        if fault in MOUNTED:
            subprocess.run(["umount", made], check=True)
        if made.is_symlink():
            made.unlink()
    return {"status": status, "log": said, "left": left, "again": again}


def mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def limited(what: int, limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(what, (limit, limit))


def without_memory(owner: object, name: str) -> None:
    """Let the function ask for more than any machine has."""
    import torch

    setattr(owner, name, lambda *given, **further: torch.empty(1 << 44))


def spoil(fault: str, target: Path) -> None:
    if fault == "input missing":
        target.rename(target.with_name("gone"))
        return
    blob = bytearray(target.read_bytes())
    if fault == "input cut short":
        target.write_bytes(blob[: len(blob) // 2])
    elif fault == "input of a newer version":
        import h5py

        from semihard.storage.seal import seal

        with h5py.File(target, "a") as h5:
            h5.attrs["schema"] = 99
        seal(target)
    else:
        blob[len(blob) - 200] ^= 0xFF
        target.write_bytes(blob)


if __name__ == "__main__":
    main(Path(sys.argv[1]), bool(int(sys.argv[2])))
