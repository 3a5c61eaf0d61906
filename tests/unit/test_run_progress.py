"""What is said of a run while it goes on, and when it has failed."""

import json

import pytest

from semihard.workflow import run_progress
from semihard.workflow.run_progress import Job, RunProgress, State, last_sentence, line_of, time_left, what_failed

USUAL = {"verify": 30.0, "train": 600.0}


@pytest.fixture
def training(tmp_path) -> Job:
    """A job whose own log says what is left."""
    log = tmp_path / "train.log"
    log.write_text(
        "12:00:00 real: 200 images\n"
        "12:00:15 train tiny on real: 100 of 1000 images, 10.0 images/s, 90 s left, loss 3\n"
        "12:00:30 train tiny on real: 400 of 1000 images, 10.0 images/s, 60 s left, loss 2\n"
        "12:00:31 something else\n"
    )
    return Job("train", "tiny/real", log)


def verifying(k: int) -> Job:
    return Job("verify", str(k), None)


@pytest.mark.parametrize(
    ("running", "waiting", "at_once", "expected"),
    [
        (0, 0, 1, (60, 0)),  # the log's own word, not the rule's usual time
        (0, 4, 1, (60 + 4 * 30, 0)),
        (0, 4, 2, ((60 + 4 * 30) / 2, 0)),
        (0, 1, 2, (60, 0)),  # never less than the longest of those that run
        (1, 0, 1, (60 + 30 - 10, 0)),  # a usual time less what has passed
    ],
)
def test_time_left(training, running, waiting, at_once, expected):
    now = (training, *map(verifying, range(running)))
    state = State(3, now, tuple(verifying(10 + k) for k in range(waiting)))
    assert time_left(state, USUAL, dict.fromkeys(now, 10.0), at_once) == expected


def test_what_nothing_is_known_of_is_counted():
    new = Job("plot", "roc", None)
    state = State(0, (new,), (new, verifying(0)))
    assert time_left(state, USUAL, {}, 1) == (30, 2)
    assert line_of(state, 30, 2).endswith("about 30 s left, without 2 job(s) of unknown length")
    assert line_of(State(0, (new,), ()), 0, 1) == "study: 0 of 1 jobs done, running plot roc; time left not known"


def test_the_usual_time_is_the_mean_of_the_records(tmp_path):
    (tmp_path / "provenance").mkdir()
    for name, record in (
        ("a", {"rule": "verify", "wall_s": 10}),
        ("b", {"rule": "verify", "wall_s": 20}),
        ("other", {"some": "file"}),
        ("not a record", [1]),
    ):
        (tmp_path / f"provenance/{name}.json").write_text(json.dumps(record))
    (tmp_path / "provenance/half.json").write_text('{"rule": "ver')
    assert run_progress.usual_seconds(tmp_path) == {"verify": 15}
    assert run_progress.usual_seconds(tmp_path / "nowhere") == {}


def test_a_line_while_jobs_run_and_none_between_them(training, tmp_path):
    states, said = [State(1, (training,), ()), State(2, (), (verifying(0),))], []
    progress = RunProgress(lambda: states.pop(0), said.append, tmp_path)
    progress.tell()
    progress.tell()
    assert said == ["study: 1 of 2 jobs done, running train tiny/real; about 60 s left"]


def test_failures_in_one_screen(tmp_path):
    jobs = []
    for k in range(20):
        log = tmp_path / f"{k}.log"
        log.write_text(f"12:00:00 begun\n12:00:01 verify: file{k} is damaged\n  what(): a line of a library\n")
        jobs.append(Job("verify", f"set{k:02}", log))
    said = what_failed([*jobs, Job("train", "tiny", tmp_path / "none.log")], 7).splitlines()
    assert said[0] == "21 job(s) failed, 7 were not run:"
    assert said[1] == "  train tiny: it left no word in its log: see above"
    assert said[3] == "  verify set00: file0 is damaged" and said[4] == f"    log: {tmp_path}/0.log"
    assert len(said) < 35 and said[-1] == "  and 6 more"
    assert last_sentence(None) == "it left no word in its log: see above"
