"""The packaged encoder: vectors depend on the text alone, similar texts are near."""

from pathlib import Path

import numpy as np
import pytest

from jobs.text.vectors import PACKAGED, encoder_folder
from models.text_encoder import TextEncoder

TEXTS = [
    "Smells Like Teen Spirit. Nirvana. Nevermind. grunge, rock.",
    "Come As You Are. Nirvana. Nevermind. grunge.",
    "Symphony No. 5. Ludwig van Beethoven. classical, orchestra.",
    "",
    "東京. Björk.",
    "na " * 5_000,
]


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder(encoder_folder(PACKAGED))


def test_vectors_have_unit_length_and_similar_texts_are_near(encoder: TextEncoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.width)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near > far + 0.3


def test_vector_does_not_depend_on_the_other_texts_of_a_batch(encoder: TextEncoder) -> None:
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(encoder.encode(TEXTS, batch_size=2), alone, atol=2e-6)
    np.testing.assert_allclose(encoder.encode(TEXTS[::-1]), alone[::-1], atol=2e-6)
    assert encoder.encode([]).shape == (0, encoder.width)


def test_text_beyond_max_tokens_is_ignored(encoder: TextEncoder) -> None:
    short = TextEncoder(encoder_folder(PACKAGED), max_tokens=6)
    long, other = "blues and soul and jazz", "blues and soul and polka, tango, waltz"
    one, two = short.encode([long, other])
    np.testing.assert_allclose(one, two, atol=2e-6)
    assert abs(encoder.encode([long]) - encoder.encode([other])).max() > 1e-2


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        TextEncoder(tmp_path)
