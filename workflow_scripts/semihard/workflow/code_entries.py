"""What a stage finds by name while it runs, and so cannot be read from its imports: for its fingerprint.

Nothing is here that a stage meets through a model file alone: who made that file depends on it, and with the file all
that reads it is made again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from semihard.generator.operator import operators
from semihard.generator.settings import SyntheticFaces
from semihard.settings.base import Settings
from semihard.settings.registry import entry, literal, module_of, names_of
from semihard.similarity.settings import FacenetEmbedder, TimmEmbedder, WeightsEmbedder
from semihard.workflow.fingerprint import SCRIPTS
from semihard.workflow.module_code import Module
from semihard.workflow.settings import Config


@dataclass(frozen=True)
class Found:
    """Things of one package that a stage finds: `names`, by an entry of the configuration.

    parts: of a thing that is a folder, the file and what is taken of it; has: what each module is to define.
    """

    package: str
    names: Callable[[Settings, Config], Iterable[str]]
    parts: tuple[str, ...] = ("",)
    has: tuple[str, ...] = ()

    def entries(self, names: Iterable[str]) -> list[str]:
        """What a fingerprint takes for things of these names."""
        return [entry(self.package, name, part) for name in names for part in self.parts]


def of(script: str, settings: Settings, config: Config) -> list[str]:
    """What `script` finds for an entry of the configuration. Raises InputError where a module lacks what it is found for."""
    entries = []
    for found in FOUND.get(script, ()):
        names = list(found.names(settings, config))
        for name in names:
            for item in found.has:
                Module.of(module_of(found.package, name), SCRIPTS).require(item)
        entries += found.entries(names)
    return entries


def named(script: str, name: str) -> list[str]:
    """What `script` finds by `name` alone. Raises InputError where nothing has that name."""
    return [item for found in FOUND.get(script, ()) for item in found.entries([name])]


def possible(script: str) -> list[str]:
    """Everything that `script` may find, for one entry or another."""
    return [item for found in FOUND.get(script, ()) for item in found.entries(names_of(found.package))]


def method_found(*functions: str, of_generator: bool = True) -> Found:
    """Functions of a generator's method; of_generator: the entry is the generator, else a face set drawn from it."""

    def names(settings: Settings, config: Config) -> list[str]:
        return [(settings if of_generator else config.generators[settings.generator]).method]

    return Found("generator.methods", names, tuple(f"method:{function}" for function in functions))


def extractor(settings: Settings, config: Config) -> list[str]:
    """The backbone that is trained with a generator, if any."""
    return [settings.extractors[settings.network]] if settings.network in settings.extractors else []


def layout(settings: Settings, config: Config) -> list[str]:
    """Whose weights they are, where they are not facenet-pytorch's."""
    return [settings.layout] if isinstance(settings, WeightsEmbedder) else []


def imported_backbone(settings: Settings, config: Config) -> list[str]:
    """The network that the weights are of."""
    if isinstance(settings, FacenetEmbedder):
        return ["inception_resnet_v1"]
    if isinstance(settings, TimmEmbedder):
        return ["timm"]
    return [literal("similarity.layouts", name)["backbone"] for name in layout(settings, config)]


def label_format(settings: Settings, config: Config) -> list[str]:
    """The form of an imported set's attribute labels, if it has any."""
    labels = getattr(settings, "attributes", None)
    return [labels.format] if labels else []


BACKBONE = ("Backbone",)
FOUND: dict[str, tuple[Found, ...]] = {
    "train_generator": (
        method_found("options", "build_network", "build_objective"),
        Found("recognizer.backbones", extractor, has=BACKBONE),
    ),
    "import_generator": (method_found("build_network"),),
    "calibrate_similarity": (method_found("similarities", "condition_similarity"),),
    "measure_learning": (
        method_found("condition_training_images"),
        Found(
            "generator.methods",
            lambda settings, config: [settings.method] if settings.takes_similarity else [],
            ("method:similarities", "method:condition_similarity"),
        ),
    ),
    "synthesize": (
        method_found("condition_faceset", of_generator=False),
        Found(
            "generator.operators",
            lambda settings, config: operators(settings) if isinstance(settings, SyntheticFaces) else (),
            has=("change",),
        ),
    ),
    "synthesize_mixup_path": (method_found("condition_similarity", of_generator=False),),
    "train_recognizer": (
        Found("recognizer.backbones", lambda settings, config: [settings.backbone], has=BACKBONE),
        Found("recognizer.heads", lambda settings, config: [settings.head]),
    ),
    "import_embedder": (
        Found("similarity.layouts", layout, has=("NAMES", "renames")),
        Found("recognizer.backbones", imported_backbone, has=BACKBONE),
    ),
    "import_faces": (
        Found("sources.readers", lambda settings, config: [settings.source], has=("read",)),
        Found("sources.label_formats", label_format, has=("read",)),
    ),
    "export_faces": (Found("sources.export_forms", lambda settings, config: (), has=("READ_BY", "write")),),
    "import_benchmark": (Found("sources.benchmarks", lambda settings, config: [settings.source], has=("read",)),),
}
