"""Configuration: every mistake is one line that names the place, the value and what was expected."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semihard.errors import InputError
from semihard.settings.paths import expand_path
from semihard.workflow.attribute_plan import annotations, attribute_comparison, attribute_sets
from semihard.workflow.code_entries import of
from semihard.workflow.configuration import expand_sweeps, read_yaml
from semihard.workflow.consistency_checks import remarks
from semihard.workflow.export_plan import exports, licence_of, pipeline_inputs, pipelines
from semihard.workflow.figures import pictures
from semihard.workflow.fingerprint import reached_by
from semihard.workflow.leakage_references import leakage_references, leakages
from semihard.workflow.study import Plan
from semihard.workflow.user_files import check_files, files_of, leave_out_absent_benchmarks

BASE = {
    "facesets": {
        "real": {"source": "rendered", "identities": 8, "per_identity": 4},
        "strangers": {"source": "rendered", "identities": 8, "per_identity": 1, "first_identity": 100},
        "synthetic": {
            "source": "synthesis",
            "generator": "g",
            "inquiries": "strangers",
            "identities": 4,
            "per_identity": 2,
        },
    },
    "embedders": {"guide": {"source": "recognizer", "recognizer": "r", "trained_on": "real"}},
    "generators": {"g": {"trained_on": "real", "embedder": "guide", "network": "tiny", "image_size": 32}},
    "recognizers": {"r": {"backbone": "tiny", "batch": 16}},
    "benchmarks": {"held_out": {"source": "rendered"}},
    "study": {
        "real": "real",
        "compare": ["synthetic"],
        "recognizer": "r",
        "benchmarks": ["held_out"],
        "embedder": "guide",
    },
}


def changed(path: str, value: object) -> dict:
    config = copy.deepcopy(BASE)
    *parents, last = path.split(".")
    place = config
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("facesets.real.identites", 3, "facesets.real.identites: no such key; did you mean 'identities'?"),
        ("generators.g.lamda", 0.1, "generators.g.lamda: no such key; did you mean 'lambda'?"),
        ("studdy", {}, "studdy: no such key; did you mean 'study'?"),
        ("study.real", None, "study: real is missing, which the gap of every training set refers to"),
        ("study.recognizer", None, "to measure sets untrained, name them in audit"),
        ("study.benchmarks", [], "study: benchmarks is missing, on which recognizers and references are verified"),
        ("study.embedder", None, "study: embedder is missing, by which face sets are measured"),
        (
            "study.attributes",
            {"labelled": "real"},
            "the key 'labelled' is called 'attribute_classifiers.<name>.labelled",
        ),
        ("study.attributes", {"classifier": "mac"}, "study.attributes.classifier: 'mac' is not an entry of"),
        ("facesets.real.source", "renderd", "facesets.real.source: 'renderd' is not one of 'recordio'"),
        ("facesets.real.source", None, "facesets.real: has no 'source'"),
        (
            "facesets.real.identities",
            0,
            "facesets.real.identities: Input should be greater than or equal to 1; found 0",
        ),
        (
            "facesets.synthetic.similarity",
            1.5,
            "facesets.synthetic.similarity: Input should be less than or equal to 1; found 1.5",
        ),
        (
            "facesets.synthetic.generator",
            "h",
            "facesets.synthetic.generator: 'h' is not an entry of generators; there are: g",
        ),
        (
            "study.compare",
            ["synthetik"],
            "study.compare: 'synthetik' is not an entry of facesets; did you mean 'synthetic'?",
        ),
        (
            "study.compare",
            [{"faceset": "real", "recogniser": "r"}],
            "study.compare.0.recogniser: no such key; did you mean 'recognizer'?",
        ),
        ("study.fidelity", {"image": 3}, "study.fidelity.image: no such key; did you mean 'images'?"),
        (
            "study.leakage",
            {"false_match": 3},
            "study.leakage.false_match: no such key; did you mean 'false_match_rate'?",
        ),
        (
            "study.references",
            [{"embeder": "guide"}],
            "study.references.0.embeder: no such key; did you mean 'embedder'?",
        ),
        (
            "study.references",
            [{"embedder": "guide", "further_benchmarks": []}],
            "study.references.0: the key 'further_benchmarks' is called 'extra_benchmarks' now; rename it",
        ),
        (
            "recognizers.r.domain_mixup",
            {"reel": "real"},
            "recognizers.r.domain_mixup.reel: no such key; did you mean 'real'?",
        ),
        (
            "recognizers.r.head",
            "cosFace",
            "recognizers.r.head: 'cosFace' is none of its values; did you mean 'cosface'?",
        ),
        ("facesets.synthetic.negative_identity", {"wieght": 1}, "did you mean 'weight'?"),
        ("study.recognizer", "x", "study.recognizer: 'x' is not an entry of recognizers"),
        ("facesets.a b", {"source": "rendered"}, "facesets.a b: a name has letters"),
        (
            "facesets.real",
            {"source": "recordio", "path": "/no/such"},
            "facesets.real.path: /no/such not found. A folder with train.rec and train.idx, or a .rec file, is expected",
        ),
        (
            "facesets.real",
            {"source": "recordio", "path": "/no/faces_webface_112x112"},
            "facesets.real.path: /no/faces_webface_112x112 not found. CASIA-WebFace",
        ),
        (
            "facesets.real",
            {"source": "rendered", "vary": ["pose", "pose"]},
            "facesets.real.vary: names 'pose' twice",
        ),
        (
            "facesets.real",
            {"source": "rendered", "identities": 1, "identity_mixup": True},
            "facesets.real: identity_mixup needs another identity",
        ),
        (
            "facesets.real",
            {"source": "folder", "path": "$SEMIHARD_NOT_SET/x"},
            "the environment variable SEMIHARD_NOT_SET is not set",
        ),
        (
            "benchmarks.held_out",
            {"source": "bin", "path": "/no/lfw.bin"},
            "benchmarks.held_out.path: /no/lfw.bin not found",
        ),
        ("results", "", "results: String should match pattern"),
        ("results", "~/x", "results: '~' and variables are not expanded here; write the folder out; found '~/x'"),
        ("results", "$HOME/x", "write the folder out; found '$HOME/x'"),
        ("study.seeds", [-1], "study.seeds.0: Input should be greater than or equal to 0; found -1"),
        ("study.seeds", [1, 1], "study: seeds names one of [1, 1] twice"),
        ("recognizers.r.learning_rate", float("inf"), "recognizers.r.learning_rate: Input should be a finite number"),
        ("recognizers.r.milestones", 3, "recognizers.r.milestones: Input should be a valid list; found 3"),
        ("facesets.real.identities", [], "facesets.real.identities: this sweep is empty"),
        ("facesets.real.identities", [3, 3], "facesets.real.identities: this sweep has a value twice"),
        (
            "facesets.easy",
            {"source": "similarity_bin", "of": "real", "embedder": "guide", "binning": "quantile-2", "bin": 2},
            "facesets.easy: quantile-2 has bins 0 to 1, not 2",
        ),
        ("generators.g.mse", "velocity", "generators.g: the key 'mse' is called 'mse_target' now; rename it"),
        (
            "facesets.synthetic.further_similarities",
            [0.5],
            "facesets.synthetic: the key 'further_similarities' is called",
        ),
        ("recognizers.r.colour_jitter", 0.1, "recognizers.r: the key 'colour_jitter' is called 'color_jitter' now"),
        (
            "study.compare",
            [{"faceset": "real", "further_benchmarks": []}],
            "study.compare.0: the key 'further_benchmarks' is called 'extra_benchmarks' now; rename it",
        ),
        ("benchmarks.held_out.pairs", 2001, "must divide by twice the 10 folds"),
    ],
)
def test_mistakes(path, value, message):
    config = changed(path, value)
    with pytest.raises(InputError) as caught:
        check_files(Plan(config))
    assert message in str(caught.value)


RENDERED = {"source": "rendered", "identities": 3, "per_identity": 4}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"more": RENDERED, "row": {"source": "union", "sets": ["real", "more"]}}, None),
        (
            {"row": {"source": "union", "sets": ["real", "synthetic"]}},
            "facesets.row.sets: 'synthetic' has images of 32 pixels, 'real' of 112; only face sets of one size",
        ),
        (
            {
                "part": {"source": "subset", "of": "synthetic", "identities": 2},
                "both": {"source": "union", "sets": ["part", "synthetic"]},
                "more": RENDERED,
                "row": {"source": "union", "sets": ["more", "both"]},
            },
            "facesets.row.sets: 'both' has images of 32 pixels, 'more' of 112",
        ),
        (
            {
                "exact": BASE["facesets"]["synthetic"] | {"codec": "png"},
                "part": {"source": "subset", "of": "exact"},
                "row": {"source": "union", "sets": ["synthetic", "part"]},
            },
            "facesets.row.sets: 'part' is stored as png, 'synthetic' as jpeg; only face sets of one codec",
        ),
        ({"row": {"source": "union", "sets": ["real", "real"]}}, "facesets.row.sets: names 'real' twice"),
        (
            {
                "others": BASE["facesets"]["synthetic"] | {"inquiry_threshold": 0.1},
                "row": {"source": "union", "sets": ["synthetic", "others"]},
            },
            "facesets.row.sets: 'synthetic' and 'others' are of other inquiries but of one seed",
        ),
        (
            {
                "nearer": BASE["facesets"]["synthetic"] | {"similarity": 0.1},
                "others": BASE["facesets"]["synthetic"] | {"inquiry_threshold": 0.1, "seed": 1},
                "row": {"source": "union", "sets": ["synthetic", "nearer", "others"]},
            },
            None,  # the same people at two similarities, and others
        ),
        ({"row": RENDERED}, "recognizers.r.batch: 16 is more than the images that 'row' has, 12 at most"),
        (
            {"row": {"source": "subset", "of": "real", "identities": 3, "per_identity": 5}},
            "recognizers.r.batch: 16 is more than the images that 'row' has, 15 at most",
        ),
        ({"row": {"source": "subset", "of": "real", "identities": 4, "per_identity": 4}}, None),
        ({"row": {"source": "subset", "of": "real", "identities": 1}}, None),  # whose images may be many
        (
            {"row": BASE["facesets"]["synthetic"] | {"inquiry_copies": 1}},
            "recognizers.r.batch: 16 is more than the images that 'row' has, 12 at most",
        ),
        ({"row": BASE["facesets"]["synthetic"] | {"inquiry_copies": 2}}, None),
        (
            {
                "strange": RENDERED,
                "row": {"source": "union", "sets": ["strange", "few"]},
                "few": RENDERED | {"identities": 1},
            },
            None,  # 12 + 4 images
        ),
    ],
)
def test_what_is_known_of_sizes_is_checked_before_anything_is_made(more, message):
    config = changed("study.compare", ["row"])
    config["facesets"] |= more
    if message is None:
        Plan(config)
    else:
        with pytest.raises(InputError) as caught:
            Plan(config)
        assert message in str(caught.value)


def test_the_training_set_of_an_embedder_is_checked_too():
    config = changed("facesets.few", RENDERED)
    config["embedders"]["guide"]["trained_on"] = "few"
    with pytest.raises(InputError, match="batch: 16 is more than the images that 'few' has, 12 at most"):
        Plan(config)


def test_sizes_of_photographs_are_known_when_they_are_read():
    config = changed("study.compare", ["row"])
    config["facesets"] |= {
        "own": {"source": "folder", "path": "own"},
        "row": {"source": "union", "sets": ["real", "own", "synthetic"]},
    }
    with pytest.raises(InputError, match="'synthetic' has images of 32 pixels, 'real' of 112"):
        Plan(config)
    config["facesets"]["row"]["sets"] = ["own", "synthetic"]
    Plan(config)
    config["facesets"]["own"]["align"] = "mtcnn"
    with pytest.raises(InputError, match="'synthetic' has images of 32 pixels, 'own' of 112"):
        Plan(config)


def test_a_similarity_that_no_training_has_seen_is_said():
    config = changed("generators.g.m_max", 0.5)
    plan = Plan(config)
    assert remarks(plan.config, plan.needed) == []
    config["facesets"]["synthetic"] |= {"similarity": 0.75, "mixed_similarities": [0.5, -1.0, 1.0]}
    plan = Plan(config)
    assert remarks(plan.config, plan.needed) == [
        "facesets.synthetic: 'g' is trained on similarities -1 … 0.5, and asked for 0.75, 1"
    ]


def test_the_inception_file_is_looked_at_before_anything_is_made(tmp_path):
    config = changed("study.fidelity", {"inception": str(tmp_path / "weights.pth")})
    with pytest.raises(InputError, match=r"study.fidelity.inception: .*/weights.pth not found. Get https://"):
        check_files(Plan(config))
    (tmp_path / "weights.pth").write_bytes(b"another file")
    with pytest.raises(
        InputError, match=r"study.fidelity.inception: .*/weights.pth: SHA-256 [0-9a-f]{64}, expected 6726"
    ):
        check_files(Plan(config))
    config["study"]["compare"] = []
    check_files(Plan(config))  # nothing is measured
    config = changed("study.fidelity", {"inception": "$SEMIHARD_NOT_SET/weights.pth"})
    with pytest.raises(InputError, match=r"study.fidelity.inception: .* SEMIHARD_NOT_SET is not set"):
        check_files(Plan(config))


def test_every_mistake_has_a_line():
    config = changed("facesets.real.identites", 3)
    config["study"]["sedes"] = [1]
    with pytest.raises(InputError) as caught:
        Plan(config)
    assert str(caught.value).splitlines() == [
        "facesets.real.identites: no such key; did you mean 'identities'?",
        "study.sedes: no such key; did you mean 'seeds'?",
    ]


def test_circles_are_refused():
    config = changed("facesets.real", {"source": "subset", "of": "other"})
    config["facesets"]["other"] = {
        "source": "similarity_bin",
        "of": "real",
        "embedder": "guide",
        "bin": 0,
        "center": "mean",
    }
    with pytest.raises(InputError, match="in a circle: facesets.real → facesets.other → facesets.real"):
        Plan(config)


def test_class_weight_centers_need_a_recognizer_of_that_set():
    config = changed("study.center", "class_weight")
    Plan(config)
    config["embedders"]["guide"]["trained_on"] = "strangers"
    with pytest.raises(InputError, match="class_weight needs an embedder that is a recognizer trained on 'real'"):
        Plan(config)


def test_what_the_study_does_not_use_need_not_be_there():
    config = copy.deepcopy(BASE)
    config["facesets"]["casia"] = {"source": "recordio", "path": "/no/such/folder"}
    check_files(Plan(config))


def test_duplicate_names_are_refused(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("facesets:\n  a: {source: rendered}\n  a: {source: rendered}\n")
    with pytest.raises(InputError, match=r"c.yaml, line 3: 'a' is given twice"):
        read_yaml(path)
    path.write_text("base: &b {x: 1, y: 2}\nother: {<<: *b, y: 3}\n")
    assert read_yaml(path)["other"] == {"x": 1, "y": 3}  # YAML's merge is no duplicate
    path.write_text("a: [1\n")
    with pytest.raises(InputError, match="c.yaml: not valid YAML"):
        read_yaml(path)


def test_sweep_is_one_entry_per_value_everywhere_it_is_named():
    config = changed("facesets.synthetic.similarity", [-0.4, 0.0])
    config["facesets"]["synthetic"]["seed"] = [0, 1]
    plan = Plan(config)
    names = [f"synthetic-similarity{m}-seed{seed}" for m in (-0.4, 0.0) for seed in (0, 1)]
    assert list(plan.study.compare) == names
    assert [plan.config.facesets[name].similarity for name in names] == [-0.4, -0.4, 0.0, 0.0]


def test_sweep_colliding_with_an_entry_is_refused():
    config = changed("facesets.synthetic.similarity", [0.0])
    config["facesets"]["synthetic-similarity0.0"] = {"source": "rendered"}
    with pytest.raises(InputError, match="two entries have this name"):
        Plan(config)


def test_sweep_where_one_name_is_expected_is_refused():
    config = changed("facesets.strangers.seed", [0, 1])
    with pytest.raises(InputError, match="it is a sweep, name one of strangers-seed0, strangers-seed1"):
        Plan(config)


@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 2)), min_size=1, max_size=5, unique=True))
def test_sweep_keeps_every_other_value(values):
    expanded, sweeps = expand_sweeps({"facesets": {"s": BASE["facesets"]["synthetic"] | {"similarity": values}}})
    assert [expanded["facesets"][name]["similarity"] for name in sweeps["s"]] == values
    assert all(expanded["facesets"][name]["identities"] == 4 for name in sweeps["s"])


def test_lists_that_belong_to_a_field_are_no_sweep():
    config = changed("recognizers.r.milestones", [5, 9])
    assert Plan(config).config.recognizers["r"].milestones == (5, 9)


def test_paths_expand_home_and_variables(monkeypatch, tmp_path):
    monkeypatch.setenv("FACES", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/somebody")
    assert expand_path("${FACES}/a") == tmp_path / "a"
    assert str(expand_path("~/a")) == "/home/somebody/a"


def test_settings_are_plain_values_in_field_order():
    one = Plan(BASE).settings_of("facesets", "synthetic")
    reordered = copy.deepcopy(BASE)
    reordered["facesets"]["synthetic"] = dict(reversed(BASE["facesets"]["synthetic"].items()))
    two = Plan(reordered).settings_of("facesets", "synthetic")
    assert repr(one) == repr(two)
    text = Plan(changed("facesets.synthetic.similarity", "0.25")).settings_of(
        "facesets", "synthetic"
    )  # as --config gives it
    assert text["similarity"] == 0.25


def test_factors_are_one_list_and_no_parameter_where_all_vary():
    assert "vary" not in Plan(BASE).settings_of("facesets", "real")
    plan = Plan(changed("facesets.real.vary", ["pose", "expression"]))
    assert plan.settings_of("facesets", "real")["vary"] == ["pose", "expression"] and not plan.sweeps


def test_an_image_added_to_a_folder_is_seen(tmp_path):
    """Snakemake looks at times of inputs: those of the identity folders change with what is in them."""
    (tmp_path / "photos" / "a").mkdir(parents=True)
    config = changed("facesets.real", {"source": "folder", "path": str(tmp_path / "photos")})
    assert files_of(Plan(config), "facesets", "real") == [tmp_path / "photos", tmp_path / "photos" / "a"]


def test_any_record_file_of_a_folder_is_found(tmp_path):
    config = changed("facesets.real", {"source": "recordio", "path": str(tmp_path)})
    with pytest.raises(InputError, match="holds no .rec file. A folder with train.rec"):
        check_files(Plan(config))
    (tmp_path / "other.rec").touch()
    (tmp_path / "other.idx").touch()
    assert files_of(Plan(config), "facesets", "real") == [tmp_path / "other.rec", tmp_path / "other.idx"]


# ── attribute labels ──


def with_labels(tmp_path, **attributes) -> dict:
    """The base with photographs in a folder for its real set, and with labels where `attributes` are given."""
    (tmp_path / "photos/a").mkdir(parents=True, exist_ok=True)
    entry = {"source": "folder", "path": str(tmp_path / "photos")} | ({"attributes": attributes} if attributes else {})
    return changed("facesets.real", entry)


def test_a_label_file_is_looked_for_and_watched(tmp_path):
    plan = Plan(with_labels(tmp_path, path=str(tmp_path / "labels.csv"), format="table"))
    with pytest.raises(
        InputError, match=r"facesets\.real\.attributes\.path: .*labels\.csv not found\. The file of attribute"
    ):
        check_files(plan)
    (tmp_path / "labels.csv").touch()
    photos = [tmp_path / "photos", tmp_path / "photos/a"]
    assert files_of(plan, "facesets", "real") == [*photos, tmp_path / "labels.csv"]
    assert files_of(Plan(with_labels(tmp_path)), "facesets", "real") == photos
    (tmp_path / "train.rec").touch()
    records = {"source": "recordio", "path": str(tmp_path / "train.rec")}
    records["attributes"] = {"path": str(tmp_path / "labels.csv"), "format": "celeba"}
    plan = Plan(changed("facesets.real", records))
    assert files_of(plan, "facesets", "real") == [tmp_path / "train.rec", tmp_path / "labels.csv"]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"path": "x"}, "facesets.real.attributes.format: is missing"),
        ({"path": "x", "format": "celebra"}, "facesets.real.attributes.format: 'celebra' is none of its values"),
        ({"path": "x", "format": "lfw", "unmatch": 1}, "facesets.real.attributes.unmatch: no such key"),
        ({"path": "x", "format": "lfw", "absent": 0}, "facesets.real.attributes: the format lfw has no use for absent"),
    ],
)
def test_mistakes_in_labels_name_their_place(tmp_path, attributes, message):
    with pytest.raises(InputError) as error:
        Plan(with_labels(tmp_path, **attributes))
    assert message in str(error.value)


def test_an_entry_without_labels_depends_on_none(tmp_path):
    """Neither its parameters nor its code know of labels; with labels the code is that of the one format."""
    plain, maad = Plan(with_labels(tmp_path)), Plan(with_labels(tmp_path, path="x", format="maad_face"))
    assert "attributes" not in plain.settings_of("facesets", "real")
    assert maad.settings_of("facesets", "real")["attributes"]["format"] == "maad_face"
    found = {plan: of("import_faces", plan.config.facesets["real"], plan.config) for plan in (plain, maad)}
    assert found[plain] == ["semihard.sources.readers.folder"]
    assert found[maad] == [*found[plain], "semihard.sources.label_formats.maad_face"]
    modules = [{module for module, _ in reached_by("import_faces.py", *entries)} for entries in found.values()]
    assert not [module for module in modules[0] if "label_" in module or "text_table" in module]
    assert {"semihard.sources.label_join", "semihard.sources.label_table"} <= modules[1]
    assert "semihard.sources.label_formats.celeba" not in modules[1]


# ── benchmarks that are not there, and lines of one similarity ──


def with_benchmarks(tmp_path, **further) -> dict:
    config = changed("benchmarks.lfw", {"source": "bin", "path": str(tmp_path / "lfw.bin")})
    config["study"]["benchmarks"] = ["lfw", "held_out"]
    config["study"] |= further
    return config


def test_an_absent_benchmark_is_left_out_with_a_line(tmp_path):
    compare = [{"faceset": "real", "extra_benchmarks": ["lfw"]}]
    plan = Plan(with_benchmarks(tmp_path, compare=compare))
    (line,) = leave_out_absent_benchmarks(plan)
    assert line.startswith("left out: benchmarks.lfw.path: ") and "lfw.bin not found. InsightFace's" in line
    check_files(plan)
    assert {run["benchmark"] for run in plan.runs()} == {"held_out"} and ("benchmarks", "lfw") not in plan.needed
    (tmp_path / "lfw.bin").write_bytes(b"")
    plan = Plan(with_benchmarks(tmp_path, compare=compare))
    assert leave_out_absent_benchmarks(plan) == []
    assert {run["benchmark"] for run in plan.runs()} == {"held_out", "lfw"}


def test_where_no_benchmark_is_left_the_study_is_refused(tmp_path):
    config = with_benchmarks(tmp_path)
    config["study"]["benchmarks"] = ["lfw"]
    plan = Plan(config)
    assert leave_out_absent_benchmarks(plan) == []
    with pytest.raises(InputError, match=r"lfw.bin not found"):
        check_files(plan)


def test_what_a_row_is_verified_on_in_addition_joins_the_row(tmp_path):
    (tmp_path / "lfw.bin").write_bytes(b"")
    rows = [{"faceset": "real", "extra_benchmarks": ["lfw"]}, "synthetic", "synthetic"]
    plan = Plan(with_benchmarks(tmp_path, benchmarks=["held_out"], compare=rows))
    assert [(row.faceset, row.extra_benchmarks) for row in plan.comparisons()] == [
        ("real", ("lfw",)),
        ("synthetic", ()),
    ]


def test_lines_that_differ_by_similarity_alone_are_a_series():
    config = changed("facesets.synthetic.similarity", [0.0, 0.5])
    bins = {"source": "similarity_bin", "of": "real", "embedder": "guide", "bin": [0, 1, 2, 3, 4]}
    config["facesets"]["bins"] = bins
    config["study"]["compare"] = ["bins", "synthetic"]
    first, second = Plan(config).similarity_series()
    assert (
        first["x"] == [0, 1, 2, 3, 4] and first["labels"][0] == "bins-bin0" and first["bins"].endswith("quantile-5.h5")
    )
    assert second["x"] == [0.0, 0.5] and second["bins"] is None
    assert "accuracy_over_similarity.svg" in " ".join(pictures(Plan(config)))
    config["study"]["compare"] = ["synthetic-similarity0.0"]
    assert Plan(config).similarity_series() == []


def test_kept_epochs_are_verified_on_the_studys_benchmarks():
    plan = Plan(changed("recognizers.r.keep_every", 2))
    assert all(run["epochs"].endswith(f"seed0/epochs/{run['benchmark']}.h5") for run in plan.runs() if run["faceset"])
    assert all(run["epochs"] is None for run in Plan(changed("recognizers.r.keep_every", 0)).runs())


def test_a_synthetic_set_is_held_against_what_its_generator_saw_its_inquiries_and_what_is_named():
    plan = Plan(changed("study.leakage", {"references": ["strangers"]}))
    roles = {"real": "training set", "strangers": "inquiries"}
    assert leakage_references(plan, "synthetic") == roles
    assert leakages(plan) == [{"faceset": "synthetic", "reference": name} for name in roles]
    config = changed("facesets.synthetic.inquiries", "real")
    config["study"]["leakage"] = {"references": ["strangers"]}
    roles = {"real": "training set", "strangers": "strangers"}
    assert leakage_references(Plan(config), "synthetic") == roles


@pytest.mark.parametrize(
    ("leakage", "sentence"),
    [
        (
            {"references": ["synthetic"]},
            "'synthetic' audited against itself, where the nearest image is the image itself",
        ),
        (
            {"unrelated": "strangers"},
            "study.leakage.unrelated: 'strangers' is what 'synthetic' is audited as or against",
        ),
        ({"references": ["reel"]}, "study.leakage.references: 'reel' is not an entry of facesets; did you mean 'real'"),
    ],
)
def test_what_leakage_cannot_be_measured_against_is_said_before_anything_runs(leakage, sentence):
    with pytest.raises(InputError, match=sentence):
        leakages(Plan(changed("study.leakage", leakage)))


# ── studies of one part ──


def part(study: dict) -> Plan:
    """A study without recognizers of its own, of entries of the base."""
    config = copy.deepcopy(BASE)
    config["attribute_classifiers"] = {"mac": {"source": "labels", "labelled": ["real"], "embedder": "guide"}}
    return Plan(config | {"study": study})


def test_an_audit_needs_face_sets_an_embedder_and_nothing_else():
    plan = part({"audit": ["strangers"], "embedder": "guide", "leakage": {"references": ["real"]}})
    assert plan.runs() == [] and plan.comparisons() == [] and plan.measured_facesets() == []
    assert plan.examined_facesets() == plan.audited_facesets() == ["strangers"]
    assert leakages(plan) == [{"faceset": "strangers", "reference": "real"}]
    drawn = {path.removeprefix("results/figures/") for path in pictures(plan)}
    assert {"diversity.svg", "duplicates.svg", "leakage.svg", "leakage/strangers/real.png"} <= drawn
    assert not {"accuracy.svg", "bins.svg", "recognizers.svg", "similarity.svg", "fidelity.svg"} & drawn


def test_embedders_are_verified_without_face_sets_of_the_study():
    plan = part({"references": ["guide"], "benchmarks": ["held_out"]})
    assert [run["label"] for run in plan.runs()] == ["guide (reference)"]
    drawn = {path.removeprefix("results/figures/") for path in pictures(plan)}
    assert {"accuracy.svg", "roc/held_out.svg"} <= drawn and "diversity.svg" not in drawn


def test_a_set_is_drawn_to_be_looked_at():
    plan = part({"show": ["synthetic"]})
    assert ("generators", "g") in plan.needed and "results/figures/samples/synthetic.png" in pictures(plan)


def test_a_set_is_made_to_be_taken_away():
    rows = [{"faceset": "synthetic", "forms": ["parquet", "folder"]}, {"faceset": "synthetic", "forms": ["folder"]}]
    plan = part({"exports": [*rows, {"faceset": "real"}]})
    assert [tuple(row.values()) for row in exports(plan)] == [
        ("synthetic", "parquet"),
        ("synthetic", "folder"),
        ("real", "recordio"),
    ]
    assert ("generators", "g") in plan.needed


@pytest.mark.parametrize(
    ("study", "sentence"),
    [
        ({}, "study: asks for nothing"),
        ({"exports": [{"faceset": "synthetic", "forms": []}]}, r"study\.exports"),
        ({"exports": [{"faceset": "synthetic", "forms": ["zip"]}]}, r"study\.exports"),
        ({"exports": [{"faceset": "synthetik"}]}, "'synthetik' is not an entry of facesets; did you mean 'synthetic'"),
        ({"pipelines": [{"generator": "g"}]}, r"study\.pipelines\.0\.licence: is missing"),
        ({"pipelines": [{"generator": "h", "licence": "CC0-1.0"}]}, "'h' is not an entry of generators"),
        ({"embedder": "guide"}, "study: asks for nothing"),
        ({"audit": ["real"]}, "study: embedder is missing"),
        ({"benchmarks": ["held_out"], "show": ["real"]}, "study: references is missing, the embedders to verify"),
        ({"references": ["guide"]}, "study: benchmarks is missing"),
        (
            {"compare": ["real"], "benchmarks": ["held_out"], "embedder": "guide", "real": "real"},
            "study: recognizer is missing",
        ),
    ],
)
def test_what_a_part_lacks_is_said(study, sentence):
    with pytest.raises(InputError, match=sentence):
        part(study)


def test_a_generator_is_given_away_under_one_licence():
    plan = part({"pipelines": [{"generator": "g", "licence": "cc-by-4.0"}] * 2})
    assert pipelines(plan) == ["g"] and licence_of(plan, "g") == "cc-by-4.0"
    assert set(pipeline_inputs(plan, "g")) == {"generator", "embedder", "calibration", "faces"}
    rows = [{"generator": "g", "licence": "cc-by-4.0"}, {"generator": "g", "licence": "mit"}]
    with pytest.raises(InputError, match=r"study\.pipelines: 'g': two licences are given; write one line"):
        licence_of(part({"pipelines": rows}), "g")
    with pytest.raises(InputError, match="'g': under which licence is it given away; write one line"):
        licence_of(part({"show": ["synthetic"]}), "g")


def from_file(study: dict, **given) -> Plan:
    """A study whose generator comes as a file."""
    config = copy.deepcopy(BASE)
    config["generators"]["g"] = {"source": "file", "path": "/no/pipeline", "embedder": "guide"} | given.pop("g", {})
    config["facesets"]["synthetic"] |= given
    return Plan(config | {"study": study})


def test_a_generator_that_comes_as_a_file_needs_no_training_set():
    plan = from_file({"show": ["synthetic"]})
    assert plan.made_by("import_generator") == ["g"] and plan.made_by("train_generator") == []
    drawn = {path.removeprefix("results/figures/") for path in pictures(plan)}
    assert {
        "samples/synthetic.png",
        "generators/g/calibration.svg",
    } <= drawn and "generators/g/training.svg" not in drawn
    assert plan.inquiries_of("g") == "strangers"
    audited = from_file({"audit": ["synthetic"], "embedder": "guide"})
    assert leakages(audited) == [{"faceset": "synthetic", "reference": "strangers"}]
    known = from_file({"audit": ["synthetic"], "embedder": "guide"}, g={"trained_on": "real"})
    assert [row["reference"] for row in leakages(known)] == ["real", "strangers"]
    with pytest.raises(
        InputError, match=r"generators\.g\.path: /no/pipeline not found\. A generator's model\.safetensors"
    ):
        check_files(plan)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"inquiry_novelty": 0.3},
            r"facesets\.synthetic\.inquiry_novelty: 'g' comes as a file, and its training set is not",
        ),
        ({"g": {"method": "dcface"}}, r"facesets\.synthetic\.styles: is missing: 'g' comes as a file"),
        ({"g": {"embedder": None}}, r"generators\.g: embedder is missing, which a cemiface generator was trained with"),
        ({"g": {"source": "hub"}}, r"generators\.g\.source: 'hub' is none of its values; there are: file"),
        ({"g": {"epochs": 3}}, r"generators\.g\.epochs: no such key"),
    ],
)
def test_what_a_generator_that_comes_as_a_file_cannot(given, sentence):
    with pytest.raises(InputError, match=sentence):
        from_file({"show": ["synthetic"]}, **given)


def test_a_folder_that_is_no_pipeline_is_told(tmp_path):
    plan = from_file({"show": ["synthetic"]}, g={"path": str(tmp_path)})
    with pytest.raises(
        InputError, match=r"generators\.g\.path: .* is a folder without generator/config\.json, so no pipeline"
    ):
        check_files(plan)


def test_the_controls_stand_behind_the_real_set_and_before_the_others():
    asked = {"classifier": "mac", "controls": ["strangers"]}
    study = {"real": "real", "audit": ["synthetic"], "embedder": "guide", "attributes": asked}
    plan = part(study)
    assert attribute_sets(plan) == ["real", "strangers", "synthetic"]
    assert attribute_comparison(plan)["real"] == ["real", "strangers"]
    assert annotations(plan)[1] == "results/attributes/mac/strangers.h5"
    assert ("facesets", "strangers") in plan.needed and ("attribute_classifiers", "mac") in plan.needed
