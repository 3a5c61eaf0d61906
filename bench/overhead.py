"""What the workflow costs beside its work: planning a study of two hundred jobs, and a job that does nothing.

    PYTHONPATH=workflow_scripts python bench/overhead.py

Prints CPU seconds, and each as a ratio to a bare start of Snakemake in this run.
"""

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.workflow.conftest import SMALL, copy_project  # noqa: E402

SEEDS = 7  # of a study of some two hundred jobs
JOBS = 20
NOTHING = """\
rule all:
    default_target: True
    input: [f"{k}.txt" for k in range(%d)]

rule do_nothing:
    output: touch("{k}.txt")
    log: "logs/{k}.log"
    params: settings={}, code=""
    script: "workflow_scripts/do_nothing.py"
"""


def cpu_and_wall(command: list[str], folder: Path) -> tuple[float, float, str]:
    """CPU seconds of a command and all it starts, wall seconds, and what it printed."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout[-3000:]
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return cpu, time.perf_counter() - start, done.stdout


def main() -> None:
    """Measure and print."""
    snakemake = [sys.executable, "-m", "snakemake"]
    with tempfile.TemporaryDirectory() as name:
        project = copy_project(Path(name))
        config = yaml.safe_load(yaml.safe_dump(SMALL))
        config["study"]["seeds"] = list(range(SEEDS))
        project.configure(config)
        for path in ("ijbc/meta", "ijbc/loose_crop"):
            (project.folder / path).mkdir(parents=True)
        for path in ("face_tid_mid", "template_pair_label", "name_5pts_score"):
            (project.folder / f"ijbc/meta/ijbc_{path}.txt").touch()
        (project.folder / "weights.pt").touch()
        (project.folder / "Nothing.smk").write_text(NOTHING % JOBS)
        (project.folder / "workflow_scripts/do_nothing.py").write_text(
            "from semihard.workflow.job import job\n\nwith job(snakemake):\n    pass\n"
        )
        bare = [*snakemake, "--snakefile", "Nothing.smk", "--workflow-profile", "none"]
        with contextlib.suppress(KeyError):
            del os.environ["SNAKEMAKE_PROFILE"]
        empty, _, _ = cpu_and_wall([*bare, "-n"], project.folder)
        first, _, said = cpu_and_wall([*snakemake, "-n"], project.folder)
        again, _, _ = cpu_and_wall([*snakemake, "-n"], project.folder)
        cpu, wall, _ = cpu_and_wall([*bare, "--cores", "1"], project.folder)
    jobs = next(line.split()[1] for line in said.splitlines() if line.startswith("total"))
    print(f"{'':44}CPU s   ratio")
    for what, seconds in (
        ("snakemake -n of a rule that does nothing", empty),
        (f"snakemake -n of a study of {jobs} jobs, the first", first),
        ("the same again", again),
        (f"a job that does nothing, of {JOBS} (wall {(wall - empty) / JOBS:.2f} s)", (cpu - empty) / JOBS),
    ):
        print(f"{what:44}{seconds:5.2f}  {seconds / empty:6.2f}")


if __name__ == "__main__":
    main()
