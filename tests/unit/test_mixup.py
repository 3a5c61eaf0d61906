"""Identity mixup: partners, weights and the mixed condition."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from semihard.similarity.mixup import draw_partners, mix_conditions

CASES = st.tuples(st.integers(0, 2**31), st.integers(2, 60), st.integers(1, 150)).flatmap(
    lambda case: st.tuples(st.just(case[0]), st.integers(0, case[1] - 1), st.just(case[2]), st.just(case[1]))
)


@given(CASES)
def test_partners_are_others_and_repeat_only_after_all_have_been_drawn(case):
    seed, identity, per_identity, identities = case
    partner, phi = draw_partners(seed, identity, per_identity, identities)
    assert partner.dtype == np.int32 and phi.dtype == np.float32
    assert len(partner) == len(phi) == per_identity
    assert ((partner != identity) & (partner >= 0) & (partner < identities)).all()
    for start in range(0, per_identity, identities - 1):
        drawn = partner[start : start + identities - 1]
        assert len(set(drawn.tolist())) == len(drawn)


@given(CASES)
def test_weights_lie_on_the_grid_and_the_draw_is_a_function_of_seed_and_identity(case):
    partner, phi = draw_partners(*case)
    assert np.allclose(phi * 20, np.round(phi * 20), atol=1e-5) and phi.min() >= 0 and phi.max() <= 1
    again = draw_partners(*case)
    assert np.array_equal(partner, again[0]) and np.array_equal(phi, again[1])


@given(CASES, st.integers(1, 150))
def test_an_image_s_draw_does_not_depend_on_how_many_follow(case, others):
    seed, identity, per_identity, identities = case
    few = min(per_identity, others)
    whole, part = draw_partners(*case), draw_partners(seed, identity, few, identities)
    assert np.array_equal(whole[0][:few], part[0]) and np.array_equal(whole[1][:few], part[1])


def test_all_weights_and_all_partners_occur_equally_often():
    drawn = [draw_partners(0, i % 11, 10, 11) for i in range(11)]
    assert np.bincount(np.concatenate([partner for partner, _ in drawn])).tolist() == [10] * 11
    phi = np.concatenate([draw_partners(seed, 3, 100, 200)[1] for seed in range(60)])
    counts = np.bincount(np.round(phi * 20).astype(int), minlength=21)
    assert np.square(counts - 6000 / 21).sum() / (6000 / 21) < 45.3  # χ² of 20 degrees of freedom, p = 0.001


def test_identities_differ_in_what_they_draw():
    assert not np.array_equal(draw_partners(0, 1, 50, 1000)[0], draw_partners(0, 2, 50, 1000)[0])
    assert not np.array_equal(draw_partners(0, 1, 50, 1000)[0], draw_partners(1, 1, 50, 1000)[0])


def test_mixed_condition_is_a_unit_vector_between_its_parts():
    torch.manual_seed(0)
    own, partner = torch.nn.functional.normalize(torch.randn(2, 21, 7), dim=2)
    phi = torch.arange(21) / 20
    mixed = mix_conditions(own, partner, phi)
    for row in range(21):
        naive = phi[row] * own[row] + (1 - phi[row]) * partner[row]
        assert torch.allclose(mixed[row], naive / naive.norm(), atol=1e-6)
    assert torch.allclose(mixed[0], partner[0]) and torch.allclose(mixed[20], own[20])
