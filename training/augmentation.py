"""What may happen to a photo of a leaf without changing its condition. Works on whole batches."""

from __future__ import annotations

import tensorflow as tf

ZOOM = 0.35
"""Largest share of the side that a crop cuts off."""
GAIN = 0.3
"""Largest change of brightness, contrast and saturation; a colour channel changes by half of it."""


def augment(pixels: tf.Tensor) -> tf.Tensor:
    """Return a changed batch (n, side, side, 3), float32 0-255, from uint8 pixels of that shape."""
    images = tf.cast(pixels, tf.float32)
    images = _turn(images)
    images = _zoom(images)
    return _relight(images)


def mixed(images: tf.Tensor, answers: tf.Tensor, most: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Lay a share of up to `most` of another picture over each, with the answers in the same shares.

    Zhang et al., "mixup: Beyond Empirical Risk Minimization" (arXiv 1710.09412), with a uniform share.
    """
    share = tf.random.uniform([tf.shape(images)[0]], 0.0, most)
    pixels_share, answers_share = share[:, None, None, None], share[:, None]
    images = images * (1 - pixels_share) + tf.reverse(images, [0]) * pixels_share
    return images, answers * (1 - answers_share) + tf.reverse(answers, [0]) * answers_share


def _turn(images: tf.Tensor) -> tf.Tensor:
    """Mirror each picture at random, and turn the batch by a multiple of 90 degrees."""
    images = tf.image.random_flip_left_right(images)
    images = tf.image.random_flip_up_down(images)
    return tf.image.rot90(images, tf.random.uniform([], 0, 4, tf.int32))


def _zoom(images: tf.Tensor) -> tf.Tensor:
    count, side = tf.shape(images)[0], images.shape[1]
    size = 1.0 - tf.random.uniform([count, 2], 0.0, ZOOM)
    corner = tf.random.uniform([count, 2]) * (1.0 - size)
    boxes = tf.concat([corner, corner + size], axis=1)
    return tf.image.crop_and_resize(images, boxes, tf.range(count), [side, side])


def _relight(images: tf.Tensor) -> tf.Tensor:
    count = tf.shape(images)[0]
    tint = tf.random.uniform([count, 1, 1, 3], 1 - GAIN / 2, 1 + GAIN / 2)
    brightness = tf.random.uniform([count, 1, 1, 1], 1 - GAIN, 1 + GAIN)
    contrast = tf.random.uniform([count, 1, 1, 1], 1 - GAIN, 1 + GAIN)
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    saturation = tf.random.uniform([count, 1, 1, 1], 1 - GAIN, 1 + GAIN)
    gray = tf.reduce_mean(images, axis=3, keepdims=True)
    images = (images - gray) * saturation + gray
    return tf.clip_by_value(((images - mean) * contrast + mean) * brightness * tint, 0.0, 255.0)
