"""Studies of one part, as a newcomer asks for them: `make verify`, and an embedder taken from one study to another."""

import shutil
import subprocess

import pandas as pd
import pytest
import torch

from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import load_model
from semihard.recognizer.onnx_file import onnx_bytes
from tests.studies.stand_ins import write_benchmark
from tests.workflow.conftest import ROOT, Project, copy_project, give_make


def make(project: Project, *arguments: str, check: bool = True) -> str:
    """Run make in the project, with the environment of this test as its own."""
    done = subprocess.run(
        ["make", *arguments], cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert check == (done.returncode == 0), done.stdout[-5000:]
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """A copy with a checkpoint, two benchmarks, and a Python where make has its own."""
    project = copy_project(tmp_path_factory.mktemp("verify"))
    give_make(project)
    torch.manual_seed(0)
    torch.save(build_backbone("mobilefacenet", (112, 112), 512).state_dict(), project.folder / "mine.pth")
    for number, name in enumerate(("lfw", "cfp_fp")):
        write_benchmark(project.folder / f"data/{name}.bin", 40, 70_000 + 100 * number)
    return project


def test_a_checkpoint_is_verified_in_one_line(project):
    out = make(
        project,
        "verify",
        "MODEL=mine.pth",
        "LAYOUT=mobilefacenet_facexzoo",
        "BENCHMARKS=data/lfw.bin data/cfp_fp.bin",
        "CORES=2",
    )
    results = project.folder / "results/verify/mine"
    table = pd.read_csv(results / "study/scores.csv", comment="#")
    assert table["label"].tolist() == ["mine (reference)"] and table[["lfw", "cfp_fp", "AVG"]].notna().all().all()
    assert "| mine (reference) |" in out and (results / "figures/accuracy.svg").is_file()
    assert not (results / "recognizers").exists()  # nothing is trained

    # what it was made into serves as it is
    model = project.folder / "results/verify/mine/embedders/mine/model.safetensors"
    assert "copy it to another place" in make(
        project, "verify", f"MODEL={model}", "BENCHMARKS=data/lfw.bin", check=False
    )
    shutil.copy2(model, project.folder / "taken.safetensors")
    make(project, "verify", "MODEL=taken.safetensors", "BENCHMARKS=data/lfw.bin data/cfp_fp.bin", "CORES=2")
    again = pd.read_csv(project.folder / "results/verify/taken/study/scores.csv", comment="#")
    assert again["label"].tolist() == ["taken (reference)"] and again["AVG"].tolist() == table["AVG"].tolist()
    network, spec = load_model(model)
    plain = torch.export.Dim("n")
    torch.onnx.export(
        network.eval(), (torch.randn(2, 3, 112, 112),), project.folder / "graph.onnx", dynamic_shapes=({0: plain},)
    )
    (project.folder / "stated.onnx").write_bytes(onnx_bytes(network, spec)[0])
    onnx = {"graph": ["PIXELS=bgr 127.5 128"], "stated": []}
    for name, pixels in onnx.items():
        make(project, "verify", f"MODEL={name}.onnx", "BENCHMARKS=data/lfw.bin data/cfp_fp.bin", *pixels, "CORES=2")
        again = pd.read_csv(project.folder / f"results/verify/{name}/study/scores.csv", comment="#")
        # a graph runs in float32, a network in bfloat16 where the CPU is fast at it: a pair or two of the 80
        assert again["AVG"].tolist() == pytest.approx(table["AVG"].tolist(), abs=2.6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a checkpoint and what to verify it on: make verify MODEL="),
        (
            ["MODEL=stated.onnx", "BENCHMARKS=data/lfw.bin", "PIXELS=bgr"],
            "PIXELS='bgr': expected colour, mean and scale",
        ),
        (["MODEL=mine.pth", "LAYOUT=mobilefacenet_facexzoo"], "name a checkpoint and what to verify it on"),
        (["MODEL=nowhere.pth", "BENCHMARKS=data/lfw.bin"], "nowhere.pth: not found"),
        (["MODEL=mine.pth", "BENCHMARKS=data/nowhere.bin"], "data/nowhere.bin: not found"),
        (["MODEL=mine.pth", "BENCHMARKS=data/lfw.bin"], "mine.pth: say whose state dict it is: LAYOUT="),
        (
            ["MODEL=mine.pth", "LAYOUT=mobilefacenet_facexzo", "BENCHMARKS=data/lfw.bin"],
            "embedders.mine.layout: 'mobilefacenet_facexzo'",
        ),
        (
            ["MODEL=mine.pth", "LAYOUT=mobilefacenet_facexzoo", "BENCHMARKS=data/lfw.bin ./data/lfw.bin"],
            "have one name",
        ),
    ],
)
def test_what_is_not_given_or_not_there_is_said(project, arguments, message):
    out = make(project, "verify", *arguments, check=False)
    assert "Nothing is verified:\n" in out and message in out and "Traceback" not in out


def test_the_trap_of_a_target_after_configfile_is_on_no_page():
    """Snakemake takes it for a second configuration: a target stands behind `--`."""
    pages = [
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "configs").rglob("*.yaml"),
        ROOT / "bench/README.md",
    ]
    for path in pages:
        for line in path.read_text(encoding="utf-8").splitlines():
            if "snakemake" in line and "--configfile" in line:
                after = line.split("--configfile", 1)[1].split("`")[0].split("#")[0].split("→")[0].split()
                extra = [word for word in after[1:] if not word.startswith("-")]
                assert not extra or after[1].startswith("-"), f"{path}: {line}"
