"""What entries may be used for: mistakes that no single entry shows, met before anything runs."""

import importlib.util
from collections.abc import Iterable

from semihard.errors import InputError
from semihard.generator.file_entry import METHODS
from semihard.generator.operator import operators
from semihard.generator.settings import Diffusion, SyntheticFaces, UnconditionalFaces
from semihard.settings.base import CENTERS, DRAWN_CENTERS
from semihard.similarity.settings import OnnxEmbedder, RecognizerEmbedder, SimilarityBinFaces
from semihard.sources.settings import UnionFaces
from semihard.workflow.known_sizes import codec, image_size, most_images
from semihard.workflow.settings import Config, Study

DECIDE_WHO = ("inquiries", "center", "inquiry_embedder", "inquiry_threshold", "inquiry_novelty", "quality_quantile")


def check_uses(
    config: Config, study: Study, needed: Iterable[tuple[str, str]], trainings: Iterable[tuple[str, str]]
) -> None:
    """Raise InputError where an entry that the study needs is used for what it cannot do.

    needed: (section, name) of every entry the study needs; trainings: (recognizer, face set) of every training.
    """
    for section, name in sorted(needed):
        entry = getattr(config, section)[name]
        if isinstance(entry, SyntheticFaces | UnconditionalFaces):
            _check_synthesis(config, f"facesets.{name}", entry)
        if isinstance(entry, Diffusion) and entry.learns_from_labels:
            _check_labels(
                config, f"generators.{name}.trained_on", entry.trained_on, f"which {entry.method} learns from"
            )
        guide = getattr(entry, "embedder", None) if isinstance(entry, Diffusion) else None
        if guide and isinstance(config.embedders[guide], OnnxEmbedder):
            raise InputError(
                f"generators.{name}.embedder: {guide!r} is an ONNX file, which gives no gradient to learn from; give it as "
                "weights (source: weights, timm or file)"
            )
        if isinstance(entry, SimilarityBinFaces) and entry.center == "class_weight":
            _check_class_weight(config, f"facesets.{name}", entry.embedder, entry.of)
        if isinstance(entry, UnionFaces):
            _check_union(config, f"facesets.{name}.sets", entry)
    if study.benchmarks and not any(config.benchmarks[name].gives_accuracy for name in study.benchmarks):
        raise InputError(
            "study.benchmarks: templates (ijb) have no accuracy, so there would be no AVG; name a benchmark of pairs, too"
        )
    if study.center == "class_weight" and study.real:
        _check_class_weight(config, "study", study.embedder, study.real)
    _check_fairness(config, study)
    for recognizer, faceset in trainings:
        _check_batch(config, recognizer, faceset)


def remarks(config: Config, needed: Iterable[tuple[str, str]]) -> list[str]:
    """What is allowed and yet not meant, most likely, a line each. needed: as of `check_uses`."""
    lines, tracker = [], config.study.tracker
    if tracker and importlib.util.find_spec(tracker) is None:
        lines.append(
            f"study.tracker: {tracker} is not installed here, so that the first training would refuse it; pip install {tracker}, "
            "or leave `tracker` out"
        )
    for section, name in sorted(needed):
        entry = getattr(config, section)[name]
        generator = config.generators[entry.generator] if isinstance(entry, SyntheticFaces) else None
        if not hasattr(generator, "m_min"):
            continue
        least, greatest = generator.m_min, generator.m_max
        asked = dict.fromkeys((entry.similarity, *entry.mixed_similarities))
        if outside := [f"{m:g}" for m in asked if not least <= m <= greatest]:
            lines.append(
                f"{section}.{name}: {entry.generator!r} is trained on similarities {least:g} … {greatest:g}, and asked for "
                f"{', '.join(outside)}"
            )
    return lines


def _check_union(config: Config, where: str, entry: UnionFaces) -> None:
    sizes = {name: size for name in entry.sets if (size := image_size(config, name))}
    _check_alike(sizes, where + ": {!r} has images of {} pixels, {!r} of {}; only face sets of one size can be united")
    stored = {name: codec(config, name) for name in entry.sets}
    _check_alike(stored, where + ": {!r} is stored as {}, {!r} as {}; only face sets of one codec can be united")
    named: dict[int, tuple[str, tuple]] = {}
    for name in entry.sets:
        if not isinstance(drawn := config.facesets[name], SyntheticFaces):
            continue
        people = (config.generators[drawn.generator].embedder, *(getattr(drawn, key) for key in DECIDE_WHO))
        before, others_people = named.setdefault(drawn.seed, (name, people))
        if people != others_people:
            raise InputError(
                f"{where}: {before!r} and {name!r} are of other inquiries but of one seed, which names identities, so that two "
                "people would become one; give one of them another seed"
            )


def _check_alike(known: dict[str, object], sentence: str) -> None:
    for name, value in known.items():
        first = next(iter(known))
        if value != known[first]:
            raise InputError(sentence.format(name, value, first, known[first]))


def _check_fairness(config: Config, study: Study) -> None:
    if study.fairness is None:
        return
    rows = (*study.compare, *study.references)
    names = [*study.benchmarks, *(name for row in rows for name in getattr(row, "extra_benchmarks", ()))]
    groups = {getattr(config.benchmarks[name], "group", "") for name in names} - {""}
    if not study.fairness.groups and len(groups) < 2:
        found = f"all that have a group are {min(groups)!r}" if groups else "none has a group"
        raise InputError(
            f"study.fairness: of the study's benchmarks {found}, and two are compared at least; give benchmarks of one "
            "group each their `group`, or name attributes in study.fairness.groups"
        )
    if study.fairness.groups and study.attributes is None:
        raise InputError(
            "study.fairness.groups: who is in a group is told by the attribute study; give study.attributes"
        )


def _check_batch(config: Config, recognizer: str, faceset: str) -> None:
    batch, most = config.recognizers[recognizer].batch, most_images(config, faceset)
    if most is not None and batch > most:
        raise InputError(
            f"recognizers.{recognizer}.batch: {batch} is more than the images that {faceset!r} has, {most} at most; lower it "
            "or take more images"
        )


def _check_labels(config: Config, where: str, faceset: str, why: str) -> None:
    entry = config.facesets[faceset]
    if isinstance(entry, UnconditionalFaces) or getattr(entry, "labelled", True) is False:
        raise InputError(f"{where}: the images of {faceset!r} have no identities, {why}; name a labelled face set")


def _check_synthesis(config: Config, where: str, entry: SyntheticFaces | UnconditionalFaces) -> None:
    generator = config.generators[entry.generator]
    if generator.timesteps and entry.steps > generator.timesteps:
        raise InputError(f"{where}.steps: {entry.steps}, but {entry.generator!r} has {generator.timesteps} timesteps")
    given = f"{where}.generator: {entry.generator!r} is of method {generator.method}"
    if isinstance(entry, UnconditionalFaces):
        if METHODS[generator.method].conditioned_on != "nothing":
            raise InputError(f"{given}, source: unconditional needs one of method: ddpm")
        return
    if METHODS[generator.method].conditioned_on == "nothing":
        raise InputError(f"{given}, which takes no inquiries; use source: unconditional")
    asked = operators(entry)
    if asked and METHODS[generator.method].conditioned_on == "image":
        raise InputError(f"{given}, which is conditioned on images; leave out {' and '.join(asked)}")
    if generator.trained_on is None:
        _check_needs_no_training_set(where, entry, METHODS[generator.method].conditioned_on)
    if METHODS[generator.method].conditioned_on != "image" and entry.styles:
        raise InputError(f"{where}.styles: only a generator of method dcface takes styles; leave it out")
    if entry.identities < 2 and any(operator.another_identity for operator in asked.values()):
        raise InputError(f"{where}.identities: {' and '.join(asked)} needs another identity, so 2 at least")
    if entry.center in DRAWN_CENTERS and (entry.inquiry_copies or METHODS[generator.method].conditioned_on == "image"):
        raise InputError(
            f"{where}.center: no photograph shows a {entry.center} center; give inquiry_copies: 0 and a generator that is "
            "conditioned on embeddings"
        )
    if entry.center in CENTERS:
        _check_labels(config, f"{where}.inquiries", entry.inquiries, "and center takes those of identities")
    if entry.center and entry.inquiry_embedder:
        raise InputError(
            f"{where}.inquiry_embedder: centers are told apart by the generator's own embedder; leave it out"
        )
    if entry.center == "class_weight":
        _check_class_weight(config, where, generator.embedder, entry.inquiries)
    if entry.inquiry_novelty is not None:
        _check_labels(
            config,
            f"generators.{entry.generator}.trained_on",
            generator.trained_on,
            "and inquiry_novelty needs centers",
        )


def _check_needs_no_training_set(where: str, entry: SyntheticFaces, conditioned_on: str) -> None:
    said = f"{entry.generator!r} comes as a file, and its training set is not named (its trained_on)"
    if entry.inquiry_novelty is not None:
        raise InputError(f"{where}.inquiry_novelty: {said}; name it, or leave inquiry_novelty out")
    if conditioned_on == "image" and not entry.styles:
        raise InputError(f"{where}.styles: is missing: {said}; name a face set to take styles from")


def _check_class_weight(config: Config, where: str, embedder: str, faceset: str) -> None:
    source = config.embedders[embedder]
    if not isinstance(source, RecognizerEmbedder) or source.trained_on != faceset:
        raise InputError(
            f"{where}.center: class_weight needs an embedder that is a recognizer trained on {faceset!r}; "
            f"{embedder!r} is not. Use center: mean, or such an embedder"
        )
