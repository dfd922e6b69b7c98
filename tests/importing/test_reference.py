"""What reference images teach, on images that are easy to tell apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from splitleaf.analysis.baseline import Baseline, Spread, read_baseline
from splitleaf.core.errors import ImportRefused
from splitleaf.core.measures import MEASURES
from splitleaf.engine.out_of_distribution import as_vectors
from splitleaf.importing.augmentation import augment
from splitleaf.importing.images import LabelledImages, read_labelled_folder
from splitleaf.importing.reference import SHARE_REFUSED, Observations, Reference, fit_detector, without_held_out
from splitleaf.importing.statistics import tolerance_limit
from tests.importing.photos import labelled_folder
from tests.support.insightful import import_insightful

RNG = np.random.default_rng(11)


def observations(count: int = 400, features: int = 12) -> Observations:
    """Two classes of Gaussian features."""
    truth = np.arange(count) // (count // 2)
    rows = np.tile(truth, 2)
    centres = RNG.normal(6, 2, (2, features))
    seen = np.abs(centres[rows] + RNG.normal(0, 0.5, (2 * count, features)))
    appearance = RNG.normal(0, 1, (2 * count, 7)) + 5
    scores = np.eye(2)[rows]
    images = LabelledImages("made/up", ("a", "b"), tuple(Path(str(n)) for n in range(count)), truth)
    return Observations(images, scores.astype(np.float32), seen.astype(np.float32), appearance.astype(np.float32))


def half(seen: Observations, part: int) -> Observations:
    """Return every second image."""
    assert seen.features is not None
    kept = slice(part, None, 2)
    images = seen.images.only(range(len(seen.images))[kept])
    return Observations(images, seen.scores[kept], seen.features[kept], seen.appearance[kept])


def novelty(reference: Reference, features: np.ndarray | None, appearance: np.ndarray) -> np.ndarray:
    return reference.detector.score(as_vectors(features, appearance))[0]


def test_the_limit_refuses_the_share_it_is_set_for() -> None:
    everything = observations(1600)
    known, fresh = half(everything, 0), half(everything, 1)
    reference = fit_detector(known)
    assert np.mean(reference.novelty > 1) == pytest.approx(SHARE_REFUSED, abs=0.015)
    # Of the same kind, but unseen when the rule was made.
    assert np.mean(novelty(reference, fresh.features, fresh.appearance) > 1) == pytest.approx(SHARE_REFUSED, abs=0.02)


@pytest.mark.parametrize("count", [200, 544])
def test_a_tolerance_limit_is_exceeded_by_no_more_than_its_share_as_often_as_it_says(count: int) -> None:
    rng = np.random.default_rng(5)
    # Of a uniform distribution, the share beyond a limit is 1 - limit.
    limits = [tolerance_limit(rng.random(count), 0.02) for _ in range(2_000)]
    beyond = 1 - np.array(limits, dtype=float)
    assert 0.93 < (beyond <= 0.02).mean() < 0.99


@pytest.mark.parametrize(("count", "is_said"), [(0, False), (148, False), (149, True)])
def test_of_too_few_values_no_limit_is_said(count: int, is_said: bool) -> None:
    assert (tolerance_limit(np.arange(count, dtype=float), 0.02) is not None) is is_said


def test_one_image_that_is_far_off_moves_no_limit() -> None:
    everything = observations(1600)
    known, fresh = half(everything, 0), half(everything, 1)
    assert fresh.features is not None
    few = Observations(fresh.images.only(range(50)), fresh.scores, fresh.features * 50, fresh.appearance)
    alone, widened = fit_detector(known), fit_detector(known, few)
    assert (widened.detector.limit, widened.held_out) == (alone.detector.limit, 0)


def test_images_that_were_held_back_are_no_reference(tmp_path: Path) -> None:
    both = read_labelled_folder(labelled_folder(tmp_path / "both", 6))
    (tmp_path / "held").mkdir()
    for path in both.paths[:2] + both.paths[-2:]:
        link = tmp_path / "held" / path.parent.name / path.name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(path)
    left = without_held_out(both, read_labelled_folder(tmp_path / "held"))
    assert left.paths == both.paths[2:-2]


def test_what_training_held_back_widens_the_limit_and_never_narrows_it() -> None:
    everything = observations(1600)
    known, fresh = half(everything, 0), half(everything, 1)
    alone = fit_detector(known)
    # Training has learnt the reference images by heart: what it has not seen lies further out.
    assert fresh.features is not None
    further = replace(fresh, features=fresh.features + RNG.normal(0, 0.5, fresh.features.shape).astype(np.float32))
    wider = fit_detector(known, further)
    shares = [np.mean(novelty(one, further.features, further.appearance)[:800] > 1) for one in (alone, wider)]
    assert shares[0] > 0.04
    assert shares[1] < SHARE_REFUSED
    near = replace(known, features=known.features * 0 + np.float32(6.0) if known.features is not None else None)
    assert fit_detector(known, near).detector.limit >= alone.detector.limit


@pytest.mark.parametrize("part", ["features", "appearance"])
def test_what_is_far_off_in_features_or_appearance_is_unfamiliar(part: str) -> None:
    seen = observations()
    reference = fit_detector(seen)
    assert seen.features is not None
    features, appearance = seen.features[:50].copy(), seen.appearance[:50].copy()
    assert np.mean(novelty(reference, features, appearance) <= 1) > 0.9
    if part == "features":
        features = features[:, ::-1] * 4
    else:
        appearance += 12
    assert (novelty(reference, features, appearance) > 1).all()


def test_without_features_the_appearance_alone_decides() -> None:
    seen = observations()
    reference = fit_detector(Observations(seen.images, seen.scores, None, seen.appearance))
    assert reference.sketch.shape == (400, 0)
    assert (novelty(reference, None, seen.appearance[:9] + 30) > 1).all()


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="at least 100") as refused:
        import_insightful(tmp_path, labelled_folder(tmp_path / "photos", 4))
    assert refused.value.error_code == "reference_too_small"


def test_the_artifact_holds_a_baseline_of_all_measures(tmp_path: Path) -> None:
    folder = import_insightful(tmp_path, labelled_folder(tmp_path / "photos", 40))
    with np.load(folder / "artifact/insight.npz", allow_pickle=False) as arrays:
        baseline = read_baseline(dict(arrays))
    assert baseline is not None
    assert set(baseline.spreads) == {*MEASURES, "confidence"}
    assert baseline.labels == {"red": 40, "green": 40, "blue": 40}
    assert all(spread.counts.sum() == 120 for spread in baseline.spreads.values())


def test_a_baseline_comes_back_as_it_was_written() -> None:
    spreads = {"even": Spread.of(np.arange(100.0)), "nearly all alike": Spread.of([1.0] * 97 + [2.0, 3.0, 4.0])}
    found = read_baseline(Baseline(spreads, {"a": 60, "b": 40}).as_arrays())
    assert found is not None
    assert found.labels == {"a": 60, "b": 40}
    for name, spread in spreads.items():
        assert found.spreads[name].edges.tolist() == spread.edges.tolist()
        assert found.spreads[name].counts.tolist() == spread.counts.tolist()
        assert found.spreads[name].count(np.arange(100.0)).sum() == 100


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_harmless_change_keeps_shape_type_and_range(dtype: type) -> None:
    pixels: np.ndarray = RNG.integers(0, 256, (30, 20, 3)).astype(dtype)
    for seed in range(12):
        changed = augment(pixels, np.random.default_rng(seed))
        assert (changed.shape, changed.dtype) == (pixels.shape, pixels.dtype)
        assert changed.min() >= 0
        assert changed.max() <= 255
        assert not np.array_equal(changed, pixels)
