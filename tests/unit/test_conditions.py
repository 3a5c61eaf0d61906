"""Conditions of synthesis: mixup, angular perturbation and negative identities, each against a naive recomputation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from semihard.generator.conditions import draw_conditions
from semihard.generator.operators import negative_identity
from semihard.generator.operators.negative_identity import guided, ranked_others
from semihard.generator.settings import SyntheticFaces
from semihard.similarity.mixup import draw_partners

DIM = 6


def entry(**given) -> SyntheticFaces:
    defaults = {"identities": 7, "per_identity": 4, "similarity": 0.1}
    return SyntheticFaces(source="synthesis", generator="g", inquiries="i", **(defaults | given))


def unit(count: int, dim: int = DIM, seed: int = 0) -> torch.Tensor:
    drawn = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn)


def every_image(asked: SyntheticFaces) -> tuple[np.ndarray, np.ndarray]:
    return np.divmod(np.arange(asked.identities * asked.per_identity), asked.per_identity)


OPERATORS = st.fixed_dictionaries(
    {
        "identity_mixup": st.booleans(),
        "angular_perturbation": st.sampled_from([None, -1, 0.5, 0.9, 1]),
        "negative_identity": st.sampled_from(
            [None, *({"identity": which} for which in ("closest", "median", "farthest", "random"))]
        ),
        "seed": st.integers(0, 3),
    }
)


@settings(deadline=None)
@given(OPERATORS, st.randoms(use_true_random=False))
def test_an_image_s_condition_is_a_function_of_seed_identity_and_index(operators, random):
    asked, inquiries = entry(**operators), unit(9)
    identity, index = every_image(asked)
    whole = draw_conditions(asked, inquiries, identity, index)
    some = np.array(random.sample(range(len(identity)), random.randint(1, len(identity))))
    part = draw_conditions(asked, inquiries, identity[some], index[some])
    for name in ("identity", "m", "partner", "phi", "negative"):
        mine, theirs = getattr(part, name), getattr(whole, name)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert np.allclose(mine, theirs[some], atol=1e-6)
    assert np.allclose(whole.identity.norm(dim=1), 1, atol=1e-5)
    assert whole.identity.dtype == whole.m.dtype == torch.float32


def test_without_operators_the_condition_is_the_inquiry_at_m():
    asked, inquiries = entry(), unit(7)
    identity, index = every_image(asked)
    drawn = draw_conditions(asked, inquiries, identity, index)
    assert torch.equal(drawn.identity, inquiries[identity]) and drawn.negative is None
    assert set(drawn.m.tolist()) == {np.float32(0.1)} and set(drawn.partner) == {-1} and set(drawn.phi) == {1}


def test_mixup_mixes_with_the_partners_drawn_and_keeps_the_two_hot_label():
    asked, inquiries = entry(identity_mixup=True, seed=5), unit(7)
    drawn = draw_conditions(asked, inquiries, *every_image(asked))
    row = 0
    for i in range(7):
        partners, weights = draw_partners(5, i, 4, 7)
        for partner, phi in zip(partners, weights, strict=True):
            naive = phi * inquiries[i] + (1 - phi) * inquiries[partner]
            assert torch.allclose(drawn.identity[row], naive / naive.norm(), atol=1e-6)
            assert (drawn.partner[row], drawn.phi[row]) == (partner, phi)
            row += 1


def test_perturbation_draws_the_cosine_uniformly_and_the_direction_from_the_sphere_around_the_identity():
    asked, inquiries = entry(identities=1, per_identity=4000, angular_perturbation=0.6), unit(1)
    drawn = draw_conditions(asked, inquiries, *every_image(asked)).identity.double()
    own = inquiries[0].double()
    cosine = drawn @ own
    assert kstest((cosine.numpy() - 0.6) / 0.4, "uniform").pvalue > 0.001
    direction = drawn - cosine[:, None] * own
    direction = direction / direction.norm(dim=1, keepdim=True)
    covariance = direction.T @ direction / len(direction)
    expected = (torch.eye(DIM) - own[:, None] * own) / (DIM - 1)
    assert direction.mean(0).abs().max() < 0.03 and (covariance - expected).abs().max() < 0.02


def test_perturbation_turns_what_mixup_has_mixed():
    asked, inquiries = entry(identity_mixup=True), unit(7)
    mixed = draw_conditions(asked, inquiries, *every_image(asked))
    turned = draw_conditions(asked.model_copy(update={"angular_perturbation": 0.8}), inquiries, *every_image(asked))
    cosine = (mixed.identity * turned.identity).sum(1)
    assert (cosine > 0.8 - 1e-5).all() and (cosine < 0.9999).any()
    assert np.array_equal(mixed.partner, turned.partner) and np.array_equal(mixed.phi, turned.phi)


@settings(deadline=None)
@given(st.integers(2, 14), st.integers(1, 5), st.integers(0, 100))
def test_ranked_others_are_those_of_a_full_sort(count, rows_per_block, seed):
    inquiries = unit(count, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(negative_identity, "ROWS", rows_per_block)
        found = {
            which: ranked_others(inquiries, np.arange(count), which) for which in ("closest", "median", "farthest")
        }
    for row in range(count):
        others = [k for k in range(count) if k != row]
        others.sort(key=lambda k: float(inquiries[row].double() @ inquiries[k].double()))
        assert found["farthest"][row] == others[0] and found["closest"][row] == others[-1]
        assert found["median"][row] == others[(len(others) - 1) // 2]


@pytest.mark.parametrize("which", ["closest", "median", "farthest"])
def test_the_negative_is_the_identity_s_whatever_it_is_mixed_with(which):
    asked = entry(negative_identity={"identity": which}, identity_mixup=True, angular_perturbation=0.5)
    inquiries = unit(9)  # two more than identities: no image is pushed from those
    identity, index = every_image(asked)
    negative = draw_conditions(asked, inquiries, identity, index).negative
    assert torch.equal(negative, inquiries[ranked_others(inquiries[:7], np.arange(7), which)][identity])


def test_random_negatives_are_the_other_identities_equally_often():
    asked = entry(identities=5, per_identity=800, negative_identity={"identity": "random"})
    inquiries = unit(5)
    identity, index = every_image(asked)
    negative = draw_conditions(asked, inquiries, identity, index).negative
    which = (negative @ inquiries.T).argmax(1).numpy()
    table = np.zeros((5, 5))
    np.add.at(table, (identity, which), 1)
    assert (np.diag(table) == 0).all()
    assert chisquare(table[~np.eye(5, dtype=bool)]).pvalue > 0.001


def test_guidance_is_the_formula_at_one_call_of_each():
    calls = []

    def predict(name, factor):
        def eps(x_t, t):
            calls.append((name, tuple(x_t.shape)))
            return (factor * x_t * t[:, None]).bfloat16()

        return eps

    x_t, t = unit(4), torch.arange(4)
    found = guided(predict("own", 1.0), predict("negative", 3.0), 0.5)(x_t, t)
    own, negative = (x_t * t[:, None]).bfloat16().float(), (3.0 * x_t * t[:, None]).bfloat16().float()
    assert torch.allclose(found, own + 0.5 * (own - negative)) and found.dtype == torch.float32
    assert calls == [("own", (4, DIM)), ("negative", (4, DIM))]
