"""Content images, their backgrounds, and which of them are trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_labdct.core import InputError
from napari_labdct.learning.hovad2020.grey import (
    FrameScaling,
    content_image,
    denormalised,
    eight_bit,
    normalised,
)
from napari_labdct.learning.hovad2020.pairs import ContentPairs, content_images, split
from napari_labdct.learning.hovad2020.settings import ContentSettings


class TestGrey:
    def test_content_runs_from_the_pedestal_to_white(self):
        photons = np.array([[0.0, 1.0], [0.5, 0.002]])
        # 926 / 257 = 3.60; (0.5 · 64609 + 926) / 257 = 129.3; 0.002: 4.1
        assert content_image(photons, 926).tolist() == [[4, 255], [129, 4]]

    def test_a_percentile_may_be_white(self):
        photons = np.arange(101, dtype=float).reshape(1, 101)
        image = content_image(photons, 926, white=50)[0]
        assert image[50:].tolist() == [255] * 51
        assert image[25] == round((0.5 * 64609 + 926) / 257)

    def test_a_spot_smaller_than_the_percentile_is_still_white(self):
        photons = np.zeros((30, 30))
        photons[4, 4] = 7
        assert content_image(photons, 926, white=99)[4, 4] == 255

    def test_an_empty_projection_is_all_background(self):
        assert np.all(content_image(np.zeros((3, 3)), 926) == 4)

    def test_normalising_is_undone(self):
        grey = torch.rand(2, 5, 7) * 255
        colours = normalised(grey)
        assert colours.shape == (2, 3, 5, 7)
        torch.testing.assert_close(denormalised(colours), grey)

    def test_normalised_values_are_imagenets(self):
        colours = normalised(torch.full((1, 1), 255.0)).flatten()
        torch.testing.assert_close(
            colours, torch.tensor([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225])
        )

    def test_a_frame_is_scaled_by_its_percentiles_and_back(self):
        rng = np.random.default_rng(0)
        frame = rng.normal(500, 20, (100, 100)).astype(np.float32)
        frame[:2] += 800
        slope, offset = FrameScaling(white_percentile=99).of(frame)
        grey = eight_bit(frame, slope, offset)
        assert abs(float(np.median(grey)) - 80) <= 1
        assert (grey == 255).mean() == pytest.approx(0.01, abs=0.005)
        inside = (grey > 0) & (grey < 255)
        back = (grey.astype(np.float32) - offset) / slope
        assert np.abs(back - frame)[inside].max() <= 0.51 / slope

    def test_a_few_bright_pixels_on_a_constant_frame_are_seen(self):
        frame = np.full((100, 100), 7, np.float32)
        assert FrameScaling().of(frame)[0] == 0
        frame[4, 4] = 107
        slope, offset = FrameScaling().of(frame)
        assert eight_bit(frame, slope, offset)[4, 4] == 255


class TestSplit:
    def test_the_papers_181_projections_make_163_and_18(self):
        train, held_out = split(181, 0.1, 42)
        assert (len(train), len(held_out)) == (163, 18)
        assert sorted(train + held_out) == list(range(181))
        assert split(181, 0.1, 42) == (train, held_out)
        assert split(181, 0.1, 43) != (train, held_out)
        assert held_out != list(range(held_out[0], held_out[0] + 18))

    @pytest.mark.parametrize("count", [2, 3, 9])
    def test_few_projections_leave_one_for_each(self, count):
        train, held_out = split(count, 0.1, 0)
        assert len(train) == count - 1
        assert len(held_out) == 1

    def test_one_is_too_few(self):
        with pytest.raises(InputError, match="at least two"):
            split(1, 0.1, 0)


@pytest.mark.parametrize(
    ("clean", "said"),
    [
        ([np.zeros((64, 64))], "no spots"),
        ([np.ones((63, 64))], "63 × 64 px, too few"),
        ([np.full((64, 64), np.inf)], "Clean projection 0 holds NaN or infinite"),
    ],
)
def test_useless_projections_are_refused(clean, said):
    with pytest.raises(InputError, match=said):
        content_images(clean, 926)


class TestPairs:
    @pytest.fixture
    def images(self, clean_projections):
        return content_images(clean_projections, 926)

    def make(self, images, batch=1, **changes):
        return ContentPairs(images, ContentSettings(**{"size": 64} | changes), batch, 3)

    def test_input_is_the_target_on_a_constant_background(self, images):
        for number in range(5):
            x, y = (a[0] for a in self.make(images).get(0, number))
            dark = y < 5
            assert x.shape == (64, 64)
            assert len(np.unique(x[dark])) == 1
            assert 25 <= x[dark][0] <= 225
            np.testing.assert_array_equal(x[~dark], y[~dark])

    def test_a_pair_depends_on_seed_epoch_and_number_alone(self, images):
        one, two = self.make(images), self.make(images)
        for a, b in zip(one.get(2, 3), two.get(2, 3), strict=True):
            np.testing.assert_array_equal(a, b)
        assert not np.array_equal(one.get(2, 3)[0], one.get(3, 3)[0])

    def test_an_epoch_shows_every_image_once(self, images):
        # Brightness of images as large as the crop tells them apart.
        pairs = self.make(images, size=96, batch=2)
        assert pairs.batches == 6
        shown = [y for n in range(6) for y in pairs.get(5, n)[1]]
        sums = sorted(float(y.sum()) for y in shown)
        np.testing.assert_allclose(sums, sorted(float(i.sum()) for i in images))

    def test_about_every_second_image_is_mirrored(self, images):
        pairs = self.make(images, size=96)
        plain = {image.tobytes() for image in images}
        same = [
            pairs.get(e, n, flips=True)[1][0].astype(np.uint8).tobytes() in plain
            for e in range(6)
            for n in range(12)
        ]
        assert 0.3 < np.mean(same) < 0.7
        mirrored = {np.ascontiguousarray(i[:, ::-1]).tobytes() for i in images}
        seen = {
            pairs.get(0, n, flips=True)[1][0].astype(np.uint8).tobytes()
            for n in range(12)
        }
        assert seen <= plain | mirrored

    def test_resizing_shows_the_whole_projection(self, images):
        x, y = self.make(images, fit="resize", size=70).get(0, 0)
        assert x.shape == y.shape == (1, 70, 70)

    def test_crops_are_no_larger_than_the_projections(self, images):
        assert self.make(images, size=500).get(0, 0)[0].shape == (1, 96, 96)
