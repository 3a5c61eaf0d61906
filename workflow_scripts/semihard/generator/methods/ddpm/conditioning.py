"""No condition."""

from semihard.generator.conditioning import Conditioned, Conditioning, Synthesis, TrainingImages
from semihard.generator.model_file import GeneratorSpec
from semihard.generator.network import Denoiser
from semihard.generator.samplers import Predict


def of_faceset(synthesis: Synthesis) -> Conditioning:
    """What the images of a face set are conditioned on."""
    return lambda identity, index: Conditioned(synthesis.network, {})


def of_training_images(images: TrainingImages, network: Denoiser, spec: GeneratorSpec, guide: None) -> Predict:
    """ε′ as the network is trained to predict it for images of its training set."""
    return network
