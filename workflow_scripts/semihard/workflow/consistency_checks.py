"""What entries may be used for: mistakes that no single entry shows, met before anything runs."""

from collections.abc import Iterable

from semihard import settings
from semihard.errors import InputError


def check_uses(config: settings.Config, study: settings.Study, needed: Iterable[tuple[str, str]]) -> None:
    """Raise InputError where an entry that the study needs is used for what it cannot do.

    needed: (section, name) of every entry the study needs.
    """
    for section, name in sorted(needed):
        entry = getattr(config, section)[name]
        if isinstance(entry, settings.SyntheticFaces | settings.UnconditionalFaces):
            _check_synthesis(config, f"facesets.{name}", entry)
        if isinstance(entry, settings.DCFaceGenerator):
            _check_labels(config, f"generators.{name}.trained_on", entry.trained_on, "which dcface learns from")
        if isinstance(entry, settings.SimilarityBinFaces) and entry.center == "class_weight":
            _check_class_weight(config, f"facesets.{name}", entry.embedder, entry.of)
    if all(isinstance(config.benchmarks[name], settings.IJBBenchmark) for name in study.benchmarks):
        raise InputError(
            "study.benchmarks: templates (ijb) have no accuracy, so there would be no AVG; name a benchmark of pairs, too"
        )
    if study.center == "class_weight":
        _check_class_weight(config, "study", study.embedder, study.real)


def _check_labels(config: settings.Config, where: str, faceset: str, why: str) -> None:
    entry = config.facesets[faceset]
    if isinstance(entry, settings.UnconditionalFaces) or getattr(entry, "labelled", True) is False:
        raise InputError(f"{where}: the images of {faceset!r} have no identities, {why}; name a labelled face set")


def _check_synthesis(
    config: settings.Config, where: str, entry: settings.SyntheticFaces | settings.UnconditionalFaces
) -> None:
    generator = config.generators[entry.generator]
    if entry.steps > generator.timesteps:
        raise InputError(f"{where}.steps: {entry.steps}, but {entry.generator!r} has {generator.timesteps} timesteps")
    given = f"{where}.generator: {entry.generator!r} is of method {generator.method}"
    if isinstance(entry, settings.UnconditionalFaces):
        if generator.method != "ddpm":
            raise InputError(f"{given}, source: unconditional needs one of method: ddpm")
        return
    if generator.method == "ddpm":
        raise InputError(f"{given}, which takes no inquiries; use source: unconditional")
    operators = [
        key for key in ("identity_mixup", "angular_perturbation", "negative_identity") if _is_given(entry, key)
    ]
    if generator.method == "dcface" and operators:
        raise InputError(f"{given}, which is conditioned on images; leave out {' and '.join(operators)}")
    if generator.method != "dcface" and entry.styles:
        raise InputError(f"{where}.styles: only a generator of method dcface takes styles; leave it out")
    if entry.identities < 2 and (entry.identity_mixup or entry.negative_identity):
        raise InputError(f"{where}.identities: {' and '.join(operators)} needs another identity, so 2 at least")
    if entry.center:
        _check_labels(config, f"{where}.inquiries", entry.inquiries, "and center takes those of identities")
    if entry.center and entry.inquiry_embedder:
        raise InputError(
            f"{where}.inquiry_embedder: centers are told apart by the generator's own embedder; leave it out"
        )
    if entry.center == "class_weight":
        _check_class_weight(config, where, generator.embedder, entry.inquiries)


def _check_class_weight(config: settings.Config, where: str, embedder: str, faceset: str) -> None:
    source = config.embedders[embedder]
    if not isinstance(source, settings.RecognizerEmbedder) or source.trained_on != faceset:
        raise InputError(
            f"{where}.center: class_weight needs an embedder that is a recognizer trained on {faceset!r}; "
            f"{embedder!r} is not. Use center: mean, or such an embedder"
        )


def _is_given(entry: settings.Settings, key: str) -> bool:
    value = getattr(entry, key)
    return value is not None and value is not False  # 0.0 is an angle
