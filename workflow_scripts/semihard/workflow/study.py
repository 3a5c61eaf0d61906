"""What a study consists of: which entries it needs, what each is made from, and where every artifact lies."""

import itertools
from collections.abc import Callable, Iterable, Iterator

from semihard.errors import InputError
from semihard.generator.file_entry import METHODS
from semihard.generator.settings import SyntheticFaces
from semihard.settings.base import OffByDefault, Settings
from semihard.similarity.settings import RecognizerEmbedder, SimilarityBinFaces
from semihard.storage.atomic import check_links
from semihard.workflow import code_entries, references
from semihard.workflow.configuration import SECTIONS, check, did_you_mean, expand_sweeps
from semihard.workflow.consistency_checks import check_uses
from semihard.workflow.fingerprint import fingerprint
from semihard.workflow.paths import path_of
from semihard.workflow.settings import Comparison, Export, Reference, Study


class Plan:
    """A checked study: its entries, what each is made from, and where each artifact lies.

    config: the merged configuration (plain data). fingerprint: what gives the fingerprint of a script and its entries.
    Raises InputError listing every mistake, one line each.
    """

    def __init__(self, config: dict, fingerprint: Callable[..., str] = fingerprint):
        self._fingerprint = fingerprint
        expanded, self.sweeps = expand_sweeps(config)
        self.config = check(expanded)
        self.results = self.config.results
        check_links(self.results)
        self.study = self._with_sweeps_resolved(self.config.study)
        self._check_references()
        self.set_study(self.study)
        check_uses(self.config, self.study, self.needed, self.trainings())

    # ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _with_sweeps_resolved(self, study: Study) -> Study:
        def names(values: Iterable) -> Iterator:
            for value in values:
                if isinstance(value, Comparison | Export):
                    for name in self.sweeps.get(value.faceset, [value.faceset]):
                        yield value.model_copy(update={"faceset": name})
                elif isinstance(value, Reference):
                    yield value
                else:
                    yield from self.sweeps.get(value, [value])

        swept = ("compare", "benchmarks", "references", "show", "audit", "exports")
        return study.model_copy(update={field: tuple(names(getattr(study, field))) for field in swept})

    def _entry(self, section: str, name: str) -> Settings:
        return getattr(self.config, section)[name]

    def _named_by(self, node: references.Node) -> list[tuple[str, str, str]]:
        """(field, section, name) of every entry that `node` names."""
        section, name = node
        return list(references.named_by(self._entry(section, name) if name else self.study))

    def _check_references(self) -> None:
        nodes = [("study", ""), *((section, name) for section in SECTIONS for name in getattr(self.config, section))]
        problems = []
        for section, name in nodes:
            for field, target, used in self._named_by((section, name)):
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

    def set_study(self, study: Study) -> None:
        """Plan for another study of the same entries. Raises InputError where definitions go round in a circle."""
        self.study = study
        self.needed = references.walk(("study", ""), self._named_by)

    # ── what the study consists of ───────────────────────────────────────────────────────────────────────────────────

    def comparisons(self) -> list[Comparison]:
        """The rows of the table: the real set first, each with its recognizer, what is named twice once. None where nothing
        is trained."""
        if not self.study.recognizer:
            return []
        rows = [Comparison(faceset=self.study.real)]
        rows += [row if isinstance(row, Comparison) else Comparison(faceset=row) for row in self.study.compare]
        merged: dict[tuple[str, str], Comparison] = {}
        for row in rows:
            recognizer = row.recognizer or self.study.recognizer
            before = merged.get((row.faceset, recognizer), row)
            further = tuple(dict.fromkeys([*before.extra_benchmarks, *row.extra_benchmarks]))
            merged[row.faceset, recognizer] = row.model_copy(
                update={"recognizer": recognizer, "extra_benchmarks": further}
            )
        return list(merged.values())

    def trainings(self) -> list[tuple[str, str]]:
        """(recognizer, face set) of every training of the study, each once: of its rows, embedders and models."""
        rows = [(row.recognizer, row.faceset) for row in self.comparisons()]
        embedders = (self._entry(section, name) for section, name in self.needed if section == "embedders")
        rows += [(one.recognizer, one.trained_on) for one in embedders if isinstance(one, RecognizerEmbedder)]
        rows += [(row.recognizer, row.trained_on) for row in self.study.models]
        return sorted(set(rows))

    def references(self) -> list[Reference]:
        """The embedders of the table."""
        references = self.study.references
        return [row if isinstance(row, Reference) else Reference(embedder=row) for row in references]

    def rows(self) -> list[Comparison | Reference]:
        """The rows of the table."""
        return [*self.comparisons(), *self.references()]

    def compared_facesets(self) -> list[str]:
        """The face sets of the table, the real one first, each once."""
        return list(dict.fromkeys(row.faceset for row in self.comparisons()))

    def files_of_compared(self) -> dict[str, str]:
        """Their files, by face set."""
        return {name: self.path("faces", faceset=name) for name in self.compared_facesets()}

    def examined_facesets(self) -> list[str]:
        """Those, and the sets to audit: all that are measured, the real one first."""
        real = [self.study.real] if self.study.real else []
        return list(dict.fromkeys([*real, *self.compared_facesets(), *self.study.audit]))

    def measured_facesets(self) -> list[str]:
        """Those of them that are measured against the real one; none where there is no real one."""
        return [name for name in self.examined_facesets() if name != self.study.real] if self.study.real else []

    def fidelities(self) -> dict[str, str]:
        """The artifacts "fidelity" of those of the table that are measured against the real one, by face set."""
        compared = self.compared_facesets()
        return {name: self.path("fidelity", faceset=name) for name in self.measured_facesets() if name in compared}

    def fidelity_embedder(self) -> str:
        """Whose features fidelity is measured on."""
        return self.study.fidelity.embedder or self.study.embedder

    def synthetic_facesets(self) -> list[str]:
        """Those of them that a generator made."""
        return [name for name in self.examined_facesets() if isinstance(self.config.facesets[name], SyntheticFaces)]

    def audited_facesets(self) -> list[str]:
        """The face sets that are held against references: those that a generator drew, and those to audit."""
        return list(dict.fromkeys([*self.synthetic_facesets(), *self.study.audit]))

    def generators(self) -> list[str]:
        """The generators the study needs."""
        return sorted(name for section, name in self.needed if section == "generators")

    def made_by(self, rule: str) -> list[str]:
        """Names of the entries that `rule` makes."""
        entries = (item for section in SECTIONS for item in getattr(self.config, section).items())
        return [name for name, entry in entries if rule in getattr(entry, "made_by", ())]

    def calibrated_generators(self) -> list[str]:
        """Those of them that are asked for a similarity."""
        return [name for name in self.generators() if METHODS[self.config.generators[name].method].takes_similarity]

    def other_embedders(self, generator: str) -> list[str]:
        """What measures a generator's similarity besides its own embedder: the study's embedder and its references."""
        named = filter(None, [self.study.embedder, *(reference.embedder for reference in self.references())])
        own = self.embedder_model(self.config.generators[generator].embedder)
        return [model for model in dict.fromkeys(map(self.embedder_model, named)) if model != own]

    def inquiries_of(self, generator: str) -> str:
        """The face set whose images a generator is calibrated on: the inquiries of the study's first set that it makes."""
        needed = sorted(name for section, name in self.needed if section == "facesets")
        drawn = (self.config.facesets[name] for name in (*self.synthetic_facesets(), *needed))
        inquiries = (entry.inquiries for entry in drawn if getattr(entry, "generator", None) == generator)
        return next(inquiries, self.config.generators[generator].trained_on)

    def _label(self, row: Comparison) -> str:
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
            for seed, benchmark in itertools.product(study.seeds, (*study.benchmarks, *row.extra_benchmarks)):
                which = {"recognizer": row.recognizer, "faceset": row.faceset, "seed": seed, "benchmark": benchmark}
                epochs = self.path("verified epochs", **which) if self._keeps_epochs(row, benchmark) else None
                run = {"seed": seed, "benchmark": benchmark, "path": self.path("verification", **which)}
                run["epochs"] = epochs
                runs.append(keys | run)
        for reference in self.references():
            keys = {"label": f"{reference.embedder} (reference)", "faceset": "", "recognizer": reference.embedder}
            for benchmark in (*study.benchmarks, *reference.extra_benchmarks):
                path = self.path("verified embedder", embedder=reference.embedder, benchmark=benchmark)
                runs.append(keys | {"seed": None, "benchmark": benchmark, "path": path, "epochs": None})
        return runs

    def _keeps_epochs(self, row: Comparison, benchmark: str) -> bool:
        return (
            self.config.recognizers[row.recognizer].keep_every > 0
            and self.config.benchmarks[benchmark].gives_accuracy
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
            if isinstance(entry, SimilarityBinFaces):
                which = {"embedder": entry.embedder, "faceset": entry.of, "center": entry.center}
                bins = self.path("bins", **which, binning=entry.binning)
                about = {"title": f"similarity bins of {entry.of}", "axis": "mean similarity to the identity center"}
                x = entry.bin
            elif (
                isinstance(entry, SyntheticFaces)
                and METHODS[self.config.generators[entry.generator].method].takes_similarity
            ):
                bins, x = None, entry.similarity
                about = {"title": f"drawn by {entry.generator}", "axis": "requested similarity m"}
            else:
                continue
            line = series.setdefault(key, about | {"bins": bins, "labels": [], "x": []})
            line["labels"].append(self._label(row))
            line["x"].append(x)
        return [line for line in series.values() if len(line["x"]) > 1]

    def settings_of(self, section: str, name: str, leave_out: tuple[str, ...] = ()) -> dict:
        """The entry's settings as plain JSON values in the order of its fields: what a rule has as its parameter."""
        return {key: value for key, value in given(self._entry(section, name)).items() if key not in leave_out}

    def inquiry_settings(self, faceset: str) -> dict:
        """What the selection of a synthetic set's inquiries depends on: not on m, nor on anything that comes after."""
        kept = ("source", "generator", "inquiries", "identities", "seed", "center")
        kept += ("inquiry_threshold", "inquiry_embedder", "inquiry_novelty", "inquiry_rounds", "quality_quantile")
        return {key: value for key, value in self.settings_of("facesets", faceset).items() if key in kept}

    # ── paths ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def path(self, artifact: str, **known: object) -> str:
        """Where an artifact lies (workflow.paths)."""
        return path_of(artifact, self.results, **known)

    def embedder_model(self, embedder: str) -> str:
        """The model file of an embedder, trained here or brought in."""
        entry = self.config.embedders[embedder]
        if isinstance(entry, RecognizerEmbedder):
            return self.path("recognizer", recognizer=entry.recognizer, faceset=entry.trained_on, seed=entry.seed)
        return self.path("embedder", embedder=embedder)

    # ── code ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def code(self, script: str, section: str = "", name: str = "", drawn: str = "") -> str:
        """The fingerprint of a script and of what it finds by name: by the names in an entry of the configuration, by
        `name` itself where there is no section, or the function in semihard/figures that draws a figure."""
        entries = code_entries.of(script, self._entry(section, name), self.config) if section else []
        entries += code_entries.named(script, name) if name and not section else []
        return self._fingerprint(f"{script}.py", *entries, *([f"semihard.figures.{drawn}"] if drawn else []))


def given(entry: Settings) -> dict:
    """The settings of an entry as plain JSON values, without those that are switched off and are so by default: a knob
    that comes new to a version, switched off, changes no parameter of a rule and so makes nothing anew."""
    kind, values = type(entry), entry.model_dump(mode="json")
    off = {
        field.serialization_alias or field.alias or name: name
        for name, field in kind.model_fields.items()
        if (not getattr(entry, name) or OffByDefault() in field.metadata) and getattr(entry, name) == field.default
    }
    again = kind.model_validate({key: value for key, value in values.items() if key not in off})
    return {
        key: value
        for key, value in values.items()
        if key not in off or getattr(again, off[key]) != getattr(entry, off[key])  # a recipe would switch it on
    }
