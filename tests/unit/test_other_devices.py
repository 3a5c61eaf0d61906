"""What any device has to be able to do, Apple's among them, which knows no float64: tried on one without numbers, torch's
"meta", that fails as well wherever somebody waits for a value."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from semihard.compute.decoded_images import onto_device
from semihard.generator.model_file import GeneratorSpec
from semihard.generator.samplers import denoise, draw_noise
from semihard.recognizer.augmentation import augment
from semihard.recognizer.margin_head import build_head
from semihard.recognizer.settings import RECIPES, Recognizer
from semihard.settings.registry import names_of

META = torch.device("meta")


class WithoutFloat64(TorchDispatchMode):
    """Fails where anything makes a float64 tensor on the device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for value in tree_leaves(found):
            if isinstance(value, torch.Tensor) and value.device == META and value.dtype == torch.float64:
                raise TypeError(f"{func} makes a float64 tensor on the device")
        return found


def test_the_test_sees_float64():
    with pytest.raises(TypeError, match="makes a float64 tensor on the device"), WithoutFloat64():
        onto_device(torch.zeros(2, dtype=torch.float64), META)


@pytest.mark.parametrize("recipe", RECIPES)
def test_augmentations_stay_in_float32(recipe):
    torch.manual_seed(0)
    settings = Recognizer(recipe=recipe)
    images = torch.empty(
        64, 3, settings.image_size, settings.width or settings.image_size, dtype=torch.uint8, device=META
    )
    with WithoutFloat64():
        x = augment(images, settings)
    assert x.dtype == torch.float32 and x.shape == images.shape


@pytest.mark.parametrize("name", names_of("recognizer.heads"))
def test_heads_stay_in_float32(name):
    head = build_head(name, 50, 16, None, 64.0).to(META)
    embedding = torch.empty(8, 16, device=META, requires_grad=True)
    label, weight = torch.zeros(8, 2, dtype=torch.int64, device=META), torch.empty(8, 2, device=META)
    with WithoutFloat64():
        head.criterion(*head.cosines(embedding), label, weight).backward()
    assert embedding.grad.dtype == torch.float32


@pytest.mark.parametrize("sampler", ["ddim", "dpmsolver++"])
def test_samplers_stay_in_float32(sampler):
    spec = GeneratorSpec("ddpm", "tiny", 32, 1000, 1e-4, 0.02, options={})
    noise = draw_noise(0, np.arange(3), np.zeros(3, int), 32).to(META)
    with WithoutFloat64():
        images = denoise(lambda x_t, t: torch.empty_like(x_t), spec, noise, sampler, 5)
    assert images.dtype == torch.uint8 and images.shape == noise.shape
