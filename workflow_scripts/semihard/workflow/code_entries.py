"""What a stage finds by name while it runs, and so cannot be read from its imports: for its fingerprint.

Nothing is here that a stage meets through a model file alone: who made that file depends on it, and with the file all
that reads it is made again.
"""

from collections.abc import Callable

from semihard.generator.settings import Diffusion, SyntheticFaces, operators
from semihard.recognizer.settings import Recognizer
from semihard.settings.base import Settings
from semihard.settings.registry import entry, literal
from semihard.similarity.settings import WeightsEmbedder
from semihard.workflow.settings import Config

TRAINING = ("options", "build_network", "build_objective")  # of a method
CALIBRATION = ("similarities", "condition_similarity")


def of(script: str, settings: Settings, config: Config) -> list[str]:
    """The modules of the registries that `script` takes for an entry of the configuration, for `fingerprint`."""
    return FOUND.get(script, lambda settings, config: [])(settings, config)


def training_generator(settings: Diffusion, config: Config) -> list[str]:
    """The network and the objective of its method, and the backbone that is trained with it, if any."""
    parts = [entry("generator.methods", settings.method, f"method:{function}") for function in TRAINING]
    extractor = settings.extractors.get(settings.network)
    return parts + ([entry("recognizer.backbones", extractor)] if extractor else [])


def measuring_learning(settings: Diffusion, config: Config) -> list[str]:
    """What its method conditions images of its training set on."""
    return [entry("generator.methods", settings.method, "method:condition_training_images")]


def calibration(settings: Diffusion, config: Config) -> list[str]:
    """Its method's similarities, and how it is asked for one."""
    return [entry("generator.methods", settings.method, f"method:{function}") for function in CALIBRATION]


def synthesis(settings: Settings, config: Config) -> list[str]:
    """What the generator's method conditions a face set on, and the operators that it asks for."""
    method = config.generators[settings.generator].method
    asked = operators(settings) if isinstance(settings, SyntheticFaces) else {}
    return [
        entry("generator.methods", method, "method:condition_faceset"),
        *(entry("generator.operators", name) for name in asked),
    ]


def training_recognizer(settings: Recognizer, config: Config) -> list[str]:
    """Backbone and head."""
    return [entry("recognizer.backbones", settings.backbone), entry("recognizer.heads", settings.head)]


def importing_embedder(settings: Settings, config: Config) -> list[str]:
    """The layout of the weights and its backbone."""
    if not isinstance(settings, WeightsEmbedder):
        return [entry("recognizer.backbones", "inception_resnet_v1")]
    backbone = literal("similarity.layouts", settings.layout)["backbone"]
    return [entry("similarity.layouts", settings.layout), entry("recognizer.backbones", backbone)]


FOUND: dict[str, Callable[[Settings, Config], list[str]]] = {
    "train_generator": training_generator,
    "calibrate_similarity": calibration,
    "measure_learning": measuring_learning,
    "synthesize": synthesis,
    "train_recognizer": training_recognizer,
    "import_embedder": importing_embedder,
    "import_faces": lambda settings, config: [entry("sources.readers", settings.source)],
    "import_benchmark": lambda settings, config: [entry("sources.benchmarks", settings.source)],
}

# Where those modules lie: package and, of a folder, the file and what is taken of it.
REGISTRIES = {
    "train_generator": [
        *(("generator.methods", f"method:{function}") for function in TRAINING),
        ("recognizer.backbones", ""),
    ],
    "calibrate_similarity": [("generator.methods", f"method:{function}") for function in CALIBRATION],
    "measure_learning": [("generator.methods", "method:condition_training_images")],
    "synthesize": [("generator.methods", "method:condition_faceset"), ("generator.operators", "")],
    "train_recognizer": [("recognizer.backbones", ""), ("recognizer.heads", "")],
    "import_embedder": [("similarity.layouts", ""), ("recognizer.backbones", "")],
    "import_faces": [("sources.readers", "")],
    "import_benchmark": [("sources.benchmarks", "")],
}
