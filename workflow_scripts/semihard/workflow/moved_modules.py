"""Where a module of an earlier version is now: its import is answered by one sentence."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

MOVED = {
    "alignment": "sources.alignment",
    "artifacts": "storage.artifacts",
    "atomic": "storage.atomic",
    "audit.vectors": "similarity.embedding_pairs",
    "checkpoint": "storage.checkpoint",
    "configuration": "workflow.configuration",
    "decoded": "compute.decoded_images",
    "device": "compute.device",
    "engine": "compute.engine",
    "faceset": "storage.faceset",
    "fingerprint": "workflow.fingerprint",
    "generator.asking": "generator.method",
    "generator.conditioning": "generator.method",
    "generator.dcface": "generator.methods.dcface.network",
    "generator.dcface_objective": "generator.methods.dcface.objective",
    "generator.learning_curve": "audit.learning_curve",
    "generator.same_identity": "generator.methods.cemiface.same_identity",
    "inputs": "workflow.user_files",
    "job": "workflow.job",
    "mixup": "similarity.mixup",
    "packing": "similarity.greedy_selection",
    "pixels": "storage.pixels",
    "progress": "compute.progress",
    "provenance": "storage.provenance",
    "published": "study_table.published",
    "recognizer.colours": "recognizer.color_jitter",
    "recognizer.iresnet": "recognizer.backbones.iresnet",
    "recognizer.labelled": "recognizer.training_set",
    "recognizer.mobilefacenet": "recognizer.backbones.mobilefacenet",
    "recognizer.sampled": "recognizer.partial_fc",
    "recognizer.targets": "recognizer.training_set",
    "reference": "workflow.docs_pages",
    "scores": "study_table.scores",
    "seeds": "compute.seeds",
    "settings.benchmarks": "sources.settings",
    "settings.embedders": "similarity.settings",
    "settings.facesets": "sources.settings",
    "settings.generators": "generator.settings",
    "settings.recognizers": "recognizer.settings",
    "settings.study": "workflow.settings",
    "similarity.templates": "verification.ijb_templates",
    "similarity.verifying": "verification.model",
    "sources.colour": "sources.bgr_check",
    "study": "workflow.study",
    "tables": "study_table.formats",
    "tensors": "compute.tensors",
    "torchvision_cpu": "compute.torchvision_cpu",
    "uses": "workflow.consistency_checks",
}


class MovedModules(MetaPathFinder):
    """Asked last, for what no other finder knows."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        package, _, module = name.partition(".")
        if package == __name__.partition(".")[0] and module in MOVED:
            raise ImportError(f"{name} is {package}.{MOVED[module]} now", name=name)


def install() -> None:
    """Answer imports of moved modules from now on."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(MovedModules())
