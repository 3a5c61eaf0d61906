"""Another image of the same identity: whose it is, how often each is drawn."""

import numpy as np
import pytest
import torch

from semihard.generator.methods.cemiface.objective import CemiFaceObjective, conditions_from
from semihard.generator.methods.cemiface.same_identity import SameIdentity
from semihard.generator.methods.cemiface.settings import CemiFaceGenerator

IDENTITY = np.array([2, 0, 2, -1, 5, 0, 2, -1, 2], np.int32)  # 2: four images, 0: two, 5: one, two of nobody


def test_draws_each_other_image_of_the_identity_equally_often():
    torch.manual_seed(0)
    draws = 6000
    for image, own in enumerate(IDENTITY):
        others = [i for i in range(len(IDENTITY)) if IDENTITY[i] == own and i != image and own >= 0] or [image]
        times = torch.bincount(SameIdentity(IDENTITY).draw(torch.full((draws,), image)), minlength=len(IDENTITY))
        assert set(times.nonzero()[:, 0].tolist()) == set(others)
        deviation = (draws / len(others)) ** 0.5 if len(others) > 1 else 0
        assert all(abs(times[i] - draws / len(others)) <= 4 * deviation for i in others)


def test_counts_the_images_that_have_another():
    assert SameIdentity(IDENTITY).paired == 6
    assert SameIdentity(np.full(4, -1)).paired == SameIdentity(np.arange(4)).paired == 0


def test_the_condition_is_anothers_embedding_or_the_images_own():
    embeddings, rows = torch.eye(len(IDENTITY)), torch.arange(len(IDENTITY))
    settings = CemiFaceGenerator(trained_on="f", embedder="e")
    given = (settings, embeddings, None, torch.device("cpu"))
    own = CemiFaceObjective(*given).draw(rows)["identity"]
    assert torch.equal(own, embeddings)
    shown = CemiFaceObjective(*given, SameIdentity(IDENTITY)).draw(rows)["identity"].argmax(1)
    assert (IDENTITY[shown] == IDENTITY).all()
    assert (shown != rows).tolist() == [True, True, True, False, False, True, True, False, True]


@pytest.mark.parametrize(
    ("condition", "identity", "another"),
    [("own_image", IDENTITY, False), ("same_identity", IDENTITY, True), ("same_identity", np.full(4, -1), False)],
)
def test_unlabelled_images_are_their_own_condition(condition: str, identity: np.ndarray, another: bool):
    class Faces:
        def __init__(self):
            self.identity = identity

        def __len__(self):
            return len(identity)

    settings = CemiFaceGenerator(trained_on="f", embedder="e", condition=condition)
    assert (conditions_from(settings, Faces()) is not None) == another
