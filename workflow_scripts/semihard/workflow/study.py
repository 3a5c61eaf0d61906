"""What a study consists of: which entries it needs, what each is made from, and where every artifact lies."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from semihard import settings
from semihard.errors import InputError
from semihard.settings.paths import expand_path
from semihard.workflow.configuration import SECTIONS, check, did_you_mean, expand_sweeps
from semihard.workflow.consistency_checks import check_uses
from semihard.workflow.user_files import NotThere, data_path

# For every section and every field of its entries that names another entry: which section it names.
REFERENCES = {
    "of": "facesets",
    "exclude": "facesets",
    "exclude_benchmark": "benchmarks",
    "inquiries": "facesets",
    "inquiry_embedder": "embedders",
    "styles": "facesets",
    "trained_on": "facesets",
    "real": "facesets",
    "embedder": "embedders",
    "generator": "generators",
    "recognizer": "recognizers",
}


class Plan:
    """A checked study: its entries, what each is made from, and where each artifact lies.

    config: the merged configuration (plain data). Raises InputError listing every mistake, one line each.
    """

    def __init__(self, config: dict):
        expanded, self.sweeps = expand_sweeps(config)
        self.config = check(expanded)
        self.results = self.config.results
        self.study = self._with_sweeps_resolved(self.config.study)
        self._check_references()
        self.needed = self._walk(("study", ""))
        check_uses(self.config, self.study, self.needed)

    # ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _with_sweeps_resolved(self, study: settings.Study) -> settings.Study:
        def names(values: Iterable) -> Iterator:
            for value in values:
                if isinstance(value, settings.Comparison):
                    for name in self.sweeps.get(value.faceset, [value.faceset]):
                        yield value.model_copy(update={"faceset": name})
                elif isinstance(value, settings.Reference):
                    yield value
                else:
                    yield from self.sweeps.get(value, [value])

        swept = ("compare", "benchmarks", "references", "show")
        return study.model_copy(update={field: tuple(names(getattr(study, field))) for field in swept})

    def _entry(self, section: str, name: str) -> settings.Settings:
        return getattr(self.config, section)[name]

    def _uses(self, node: tuple[str, str]) -> list[tuple[str, str, str]]:
        """(field, section, name) of every entry that `node` names."""
        section, name = node
        if section == "study":
            study = self.study
            used = [
                ("real", "facesets", study.real),
                ("recognizer", "recognizers", study.recognizer),
                ("embedder", "embedders", study.embedder),
                ("fidelity.embedder", "embedders", self.fidelity_embedder()),
            ]
            for comparison in self.comparisons():
                used += [("compare", "facesets", comparison.faceset), ("compare", "recognizers", comparison.recognizer)]
            used += [("references", "embedders", reference.embedder) for reference in self.references()]
            used += [("show", "facesets", faceset) for faceset in study.show]
            used += [("benchmarks", "benchmarks", benchmark) for benchmark in study.benchmarks]
            further = [benchmark for row in self._rows() for benchmark in row.further_benchmarks]
            used += [("further_benchmarks", "benchmarks", benchmark) for benchmark in further]
            return used + ([("attributes.labelled", "facesets", study.attributes.labelled)] if study.attributes else [])
        entry = self._entry(section, name)
        fields = [(field, value) for field, value in entry if field in REFERENCES and isinstance(value, str)]
        used = [(field, REFERENCES[field], value) for field, value in fields]
        if isinstance(entry, settings.UnionFaces):
            used += [("sets", "facesets", name) for name in entry.sets]
        if isinstance(entry, settings.Recognizer) and entry.domain_mixup:
            used.append(("domain_mixup.real", "facesets", entry.domain_mixup.real))
        return used

    def _check_references(self) -> None:
        nodes = [("study", ""), *((section, name) for section in SECTIONS for name in getattr(self.config, section))]
        problems = []
        for section, name in nodes:
            for field, target, used in self._uses((section, name)):
                known = getattr(self.config, target)
                if used not in known:
                    where = ".".join(part for part in (section, name, field) if part)
                    hint = (
                        f"; it is a sweep, name one of {', '.join(self.sweeps[used])}"
                        if used in self.sweeps
                        else did_you_mean(used, known)
                    )
                    problems.append(f"{where}: {used!r} is not an entry of {target}{hint}")
        if problems:
            raise InputError("\n".join(problems))

    def _walk(self, start: tuple[str, str]) -> set[tuple[str, str]]:
        """Every entry that `start` needs, itself left out. Raises InputError where definitions go round in a circle."""
        done: set[tuple[str, str]] = set()

        def visit(node: tuple[str, str], path: list[tuple[str, str]]) -> None:
            if node in path:
                circle = " → ".join(
                    ".".join(part for part in step if part) for step in [*path[path.index(node) :], node]
                )
                raise InputError(f"these entries define each other in a circle: {circle}")
            if node not in done:
                for _, section, name in self._uses(node):
                    visit((section, name), [*path, node])
                done.add(node)

        visit(start, [])
        return done - {start}

    # ── what the study consists of ───────────────────────────────────────────────────────────────────────────────────

    def comparisons(self) -> list[settings.Comparison]:
        """The rows of the table: the real set first, each with its recognizer, what is named twice once."""
        rows = [settings.Comparison(faceset=self.study.real)]
        rows += [
            row if isinstance(row, settings.Comparison) else settings.Comparison(faceset=row)
            for row in self.study.compare
        ]
        merged: dict[tuple[str, str], settings.Comparison] = {}
        for row in rows:
            recognizer = row.recognizer or self.study.recognizer
            before = merged.get((row.faceset, recognizer), row)
            further = tuple(dict.fromkeys([*before.further_benchmarks, *row.further_benchmarks]))
            merged[row.faceset, recognizer] = row.model_copy(
                update={"recognizer": recognizer, "further_benchmarks": further}
            )
        return list(merged.values())

    def references(self) -> list[settings.Reference]:
        """The embedders of the table."""
        references = self.study.references
        return [row if isinstance(row, settings.Reference) else settings.Reference(embedder=row) for row in references]

    def _rows(self) -> list[settings.Comparison | settings.Reference]:
        return [*self.comparisons(), *self.references()]

    def compared_facesets(self) -> list[str]:
        """The face sets of the table, the real one first, each once."""
        return list(dict.fromkeys(row.faceset for row in self.comparisons()))

    def measured_facesets(self) -> list[str]:
        """Those of them that are measured against the real one."""
        return [name for name in self.compared_facesets() if name != self.study.real]

    def fidelities(self) -> dict[str, str]:
        """Their artifacts "fidelity", by face set."""
        return {name: f"{self.results}/audit/fidelity/{name}.h5" for name in self.measured_facesets()}

    def fidelity_embedder(self) -> str:
        """Whose features fidelity is measured on."""
        return self.study.fidelity.embedder or self.study.embedder

    def inception_weights(self) -> dict[str, str]:
        """FID's Inception weights as an input of a rule, where they are there."""
        path = expand_path(self.study.fidelity.inception)
        return {"inception": str(path)} if path.is_file() else {}

    def synthetic_facesets(self) -> list[str]:
        """Those of them that a generator made."""
        return [
            name for name in self.compared_facesets() if isinstance(self.config.facesets[name], settings.SyntheticFaces)
        ]

    def generators(self) -> list[str]:
        """The generators the study needs."""
        return sorted(name for section, name in self.needed if section == "generators")

    def of_source(self, section: str, *sources: str) -> list[str]:
        """Names of the entries of `section` whose source is one of `sources`."""
        return [name for name, entry in getattr(self.config, section).items() if entry.source in sources]

    def calibrated_generators(self) -> list[str]:
        """Those of them that are asked for a similarity."""
        return [name for name in self.generators() if self.config.generators[name].method == "cemiface"]

    def other_embedders(self, generator: str) -> list[str]:
        """What measures a generator's similarity besides its own embedder: the study's embedder and its references."""
        named = [self.study.embedder, *(reference.embedder for reference in self.references())]
        own = self.embedder_model(self.config.generators[generator].embedder)
        return [model for model in dict.fromkeys(map(self.embedder_model, named)) if model != own]

    def inquiries_of(self, generator: str) -> str:
        """The face set whose images a generator is calibrated on: the inquiries of the study's first set that it makes."""
        for name in self.synthetic_facesets():
            if self.config.facesets[name].generator == generator:
                return self.config.facesets[name].inquiries
        return self.config.generators[generator].trained_on

    def _label(self, row: settings.Comparison) -> str:
        return row.faceset if row.recognizer == self.study.recognizer else f"{row.faceset} ({row.recognizer})"

    def labels(self) -> list[str]:
        """What the rows of the table are called."""
        return [self._label(row) for row in self.comparisons()]

    def first_runs(self, benchmark: str) -> dict[str, str]:
        """Label → verification result of the first seed: what a picture of single runs shows."""
        return {
            run["label"]: run["path"]
            for run in self.runs()
            if run["benchmark"] == benchmark and run["seed"] in (self.study.seeds[0], None)
        }

    def runs(self) -> list[dict]:
        """Every verification of the study: label, faceset, recognizer, seed, benchmark and path of its result."""
        study, runs = self.study, []
        for row in self.comparisons():
            keys = {"label": self._label(row), "faceset": row.faceset, "recognizer": row.recognizer}
            for seed, benchmark in itertools.product(study.seeds, (*study.benchmarks, *row.further_benchmarks)):
                folder = f"{self.results}/verification/recognizers/{row.recognizer}/{row.faceset}/seed{seed}"
                epochs = f"{folder}/epochs/{benchmark}.h5" if self._keeps_epochs(row, benchmark) else None
                run = {"seed": seed, "benchmark": benchmark, "path": f"{folder}/{benchmark}.h5", "epochs": epochs}
                runs.append(keys | run)
        for reference in self.references():
            keys = {"label": f"{reference.embedder} (reference)", "faceset": "", "recognizer": reference.embedder}
            for benchmark in (*study.benchmarks, *reference.further_benchmarks):
                path = f"{self.results}/verification/embedders/{reference.embedder}/{benchmark}.h5"
                runs.append(keys | {"seed": None, "benchmark": benchmark, "path": path, "epochs": None})
        return runs

    def _keeps_epochs(self, row: settings.Comparison, benchmark: str) -> bool:
        has_accuracy = not isinstance(self.config.benchmarks[benchmark], settings.IJBBenchmark)
        return (
            self.config.recognizers[row.recognizer].keep_every > 0
            and has_accuracy
            and benchmark in self.study.benchmarks
        )

    def similarity_series(self) -> list[dict]:
        """Lines of the table that differ by similarity alone: the bins of one set, or requested m of one generator.

        Each series: title, axis, labels (of the table) in the order of the table, and x: m, or the number of the bin in
        the artifact "bins" named `bins`.
        """
        series: dict[tuple, dict] = {}
        for row in self.comparisons():
            entry = self.config.facesets[row.faceset]
            rest = entry.model_dump(exclude={"similarity", "bin"})
            key = (row.recognizer, str(sorted(rest.items())))
            if isinstance(entry, settings.SimilarityBinFaces):
                bins = self.bins(entry.embedder, entry.of, entry.center, entry.binning)
                found = {"title": f"similarity bins of {entry.of}", "axis": "mean similarity to the identity center"}
                x = entry.bin
            elif (
                isinstance(entry, settings.SyntheticFaces)
                and self.config.generators[entry.generator].method == "cemiface"
            ):
                bins, x = None, entry.similarity
                found = {"title": f"drawn by {entry.generator}", "axis": "requested similarity m"}
            else:
                continue
            one = series.setdefault(key, found | {"bins": bins, "labels": [], "x": []})
            one["labels"].append(self._label(row))
            one["x"].append(x)
        return [one for one in series.values() if len(one["x"]) > 1]

    def settings_of(self, section: str, name: str, leave_out: tuple[str, ...] = ()) -> dict:
        """The entry's settings as plain JSON values in the order of its fields: what a rule has as its parameter."""
        return {
            key: value
            for key, value in self._entry(section, name).model_dump(mode="json").items()
            if key not in leave_out
        }

    def inquiry_settings(self, faceset: str) -> dict:
        """What the selection of a synthetic set's inquiries depends on: not on m, nor on anything that comes after."""
        kept = ("source", "generator", "inquiries", "identities", "seed", "center")
        kept += ("inquiry_threshold", "inquiry_embedder", "inquiry_rounds", "quality_quantile")
        return {key: value for key, value in self.settings_of("facesets", faceset).items() if key in kept}

    # ── paths ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def faces(self, faceset: str) -> str:
        """The face set's file."""
        return f"{self.results}/facesets/{faceset}.h5"

    def recognizer_model(self, recognizer: str, faceset: str, seed: int) -> str:
        """The model file of a recognizer trained on a face set."""
        return f"{self.results}/recognizers/{recognizer}/{faceset}/seed{seed}/model.safetensors"

    def embedder_model(self, embedder: str) -> str:
        """The model file of an embedder, trained here or brought in."""
        entry = self.config.embedders[embedder]
        if isinstance(entry, settings.RecognizerEmbedder):
            return self.recognizer_model(entry.recognizer, entry.trained_on, entry.seed)
        return f"{self.results}/embedders/{embedder}/model.safetensors"

    def embeddings(self, embedder: str, faceset: str) -> str:
        """The embeddings of a face set."""
        return f"{self.results}/embeddings/{embedder}/{faceset}.h5"

    def centers(self, embedder: str, faceset: str, center: str) -> str:
        """The identity centers of a face set."""
        return f"{self.results}/centers/{embedder}/{faceset}/{center}.h5"

    def bins(self, embedder: str, faceset: str, center: str, binning: str) -> str:
        """The similarity bins of a face set."""
        return f"{self.results}/bins/{embedder}/{faceset}/{center}/{binning}.h5"

    def figures(self) -> list[str]:
        """Every picture of the report; beside each lies the CSV of the numbers it draws."""
        study, folder = self.study, f"{self.results}/figures"
        facesets = sorted(name for section, name in self.needed if section == "facesets")
        pictures = [f"samples/{name}.png" for name in facesets]
        pictures += [f"generators/{generator}/training.svg" for generator in self.generators()]
        for generator in self.calibrated_generators():
            pictures += [f"generators/{generator}/ladder.png", f"generators/{generator}/calibration.svg"]
        pictures += [f"generators/{g}/learning.svg" for g in self.generators() if self.config.generators[g].keep_every]
        pictures += ["similarity.svg", "bins.svg", "diversity.svg", "recognizers.svg", "accuracy.svg"]
        pictures += ["accuracy_over_similarity.svg"] if self.similarity_series() else []
        pictures += [f"roc/{benchmark}.svg" for benchmark in dict.fromkeys(run["benchmark"] for run in self.runs())]
        pictures += ["fidelity.svg"] if self.measured_facesets() else []
        synthetic = self.synthetic_facesets()
        if synthetic:
            pictures.append("leakage.svg")
            pictures += ["attributes.svg"] if study.attributes else []
        return [f"{folder}/{picture}" for picture in pictures]

    def data_path(self, section: str, name: str) -> list[Path]:
        """The user's files that an entry reads. Raises InputError where they are not there."""
        return data_path(f"{section}.{name}", self._entry(section, name))

    def leave_out_absent_benchmarks(self) -> list[str]:
        """Take benchmarks whose files do not exist out of the study, and say so, a line for each.

        Where none of the study's benchmarks would be left, all stay, and `check_data` names their files.
        """
        used = [*self.study.benchmarks, *(name for row in self._rows() for name in row.further_benchmarks)]
        absent = {}
        for name in dict.fromkeys(used):
            try:
                self.data_path("benchmarks", name)
            except NotThere as problem:
                absent[name] = str(problem)
            except InputError:
                pass  # there, but wrong: check_data says so
        if not set(self.study.benchmarks) - set(absent):
            return []

        def there(names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(name for name in names if name not in absent)

        def kept(rows: tuple) -> tuple:
            return tuple(
                row
                if isinstance(row, str)
                else row.model_copy(update={"further_benchmarks": there(row.further_benchmarks)})
                for row in rows
            )

        study = self.study
        changed = {
            "benchmarks": there(study.benchmarks),
            "compare": kept(study.compare),
            "references": kept(study.references),
        }
        self.study = study.model_copy(update=changed)
        self.needed = self._walk(("study", ""))
        return [f"left out: {problem}" for problem in absent.values()]

    def check_data(self) -> None:
        """Look for the files of every entry the study needs. Raises InputError listing all that are missing, one line each."""
        problems = []
        for section, name in sorted(self.needed):
            try:
                self.data_path(section, name)
            except InputError as error:
                problems.append(str(error))
        if problems:
            raise InputError("\n".join(problems))
