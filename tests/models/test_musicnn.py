"""The network musicnn: golden numbers of the original code under TensorFlow, damaged checkpoints, patches and clips."""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models import musicnn
from models.musicnn import Musicnn
from models.musicnn_tags import BASE_RATES, TAGS, NetworkName
from models.tensorflow_checkpoint import CheckpointError, read_checkpoint

GOLDEN = {
    "MSD_musicnn": (
        [-4.9891, -6.5845, -5.2717, -6.6001, -3.0541, -5.7243, -5.3685, -5.5116],
        [-2.8739, -4.2650, -3.4759, -4.0191],
        [-0.1772, 3.1363, -0.2848, -0.2751, 2.3486, 1.8995],
    ),
    "MTT_musicnn": (
        [-2.8246, -4.8140, -2.3865, -3.9656, -5.4030, -3.8137, -3.1866, -2.3715],
        [-3.5693, -4.3523, -2.1922, -2.8530],
        [0.5159, -0.0329, -0.0923, -0.1861, -0.0787, 1.8897],
    ),
}
"""logits[0, :8], logits[1, :4] and penultimate[0, :6] of `golden_patches`, by the original code under TensorFlow 2.21."""


@cache
def checkpoint(name: NetworkName) -> tuple[bytes, bytes]:
    spec = find_spec("musicnn")
    assert spec is not None, "`make setup` installs the package musicnn"
    folder = Path(next(iter(spec.submodule_search_locations or []))) / name
    return (folder / ".index").read_bytes(), (folder / ".data-00000-of-00001").read_bytes()


@cache
def network(name: NetworkName = "MSD_musicnn") -> Musicnn:
    return musicnn.from_tensors(read_checkpoint(*checkpoint(name)))


def golden_patches() -> Tensor:
    t, m = np.arange(187)[:, None], np.arange(96)[None]
    first = 1.5 + np.sin(0.07 * t * (1 + m / 40)) + 0.5 * np.cos(0.3 * m)
    return torch.tensor(np.stack([first, 0.7 * first[::-1]]), dtype=torch.float32)


@pytest.mark.parametrize("name", GOLDEN)
def test_outputs_equal_those_of_the_original_code(name: NetworkName) -> None:
    output, (first, second, penultimate) = network(name)(golden_patches()), GOLDEN[name]
    np.testing.assert_allclose(output.logits[0, :8], first, atol=1e-4)
    np.testing.assert_allclose(output.logits[1, :4], second, atol=1e-4)
    np.testing.assert_allclose(output.penultimate[0, :6], penultimate, atol=1e-4)
    assert output.pools.shape == (2, 1506)


def test_pools_are_maxima_and_means_of_interleaved_channels() -> None:
    pools = network()(golden_patches()).pools
    assert (pools[:, ::2] >= pools[:, 1::2] - 1e-5).all()


@pytest.mark.parametrize(("frames", "hop", "patches"), [(187, 93, 1), (279, 93, 1), (280, 93, 2), (700, 93, 6), (700, 187, 3)])
def test_a_clip_gives_the_outputs_of_its_patches(frames: int, hop: int, patches: int) -> None:
    clip = torch.from_numpy(np.random.default_rng(frames).random((frames, 96), dtype=np.float32) * 3)
    by_patch = network()(torch.stack([clip[start : start + 187] for start in range(0, frames - 186, hop)]))
    of_clip = network().forward_clip(clip, hop)
    assert of_clip.logits.shape == (patches, 50)
    for name in ("logits", "penultimate", "pools"):
        torch.testing.assert_close(getattr(of_clip, name), getattr(by_patch, name), atol=1e-4, rtol=1e-5)


def test_saved_network_gives_equal_bits() -> None:
    restored = musicnn.from_bytes(musicnn.to_bytes(network()))
    assert torch.equal(restored(golden_patches()).logits, network()(golden_patches()).logits)


def test_inputs_of_other_shapes_raise() -> None:
    with pytest.raises(ValueError, match=r"patches are \[P, 187, 96\], not \(1, 186, 96\)"):
        network()(torch.zeros(1, 186, 96))
    with pytest.raises(ValueError, match=r"N >= 187, not \(186, 96\)"):
        network().forward_clip(torch.zeros(186, 96))


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda index, data: (index, flipped(data, 2)), "the tensor .* is damaged"),
        (lambda index, data: (index, data[:100_000]), "the tensor .* is damaged"),
        (lambda index, data: (flipped(index, 300), data), "index is damaged: the CRC of a block is wrong"),
        (lambda index, data: (flipped(index, len(index) - 2), data), "index is damaged: it does not end with"),
        (lambda index, data: (b"", data), "index is damaged"),
        (lambda index, data: (index[-48:], data), "index is damaged"),
    ],
)
def test_a_damaged_checkpoint_raises(damage: Callable[[bytes, bytes], tuple[bytes, bytes]], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(*damage(*checkpoint("MSD_musicnn")))


def test_a_checkpoint_of_another_network_raises() -> None:
    spec = find_spec("musicnn")
    assert spec is not None
    folder = Path(next(iter(spec.submodule_search_locations or []))) / "MSD_vgg"
    tensors = read_checkpoint((folder / ".index").read_bytes(), (folder / ".data-00000-of-00001").read_bytes())
    with pytest.raises(ValueError, match=r"another network|has no tensor"):
        musicnn.from_tensors(tensors)


def test_every_tag_is_listed_once() -> None:
    for tags in TAGS.values():
        assert len(tags) == len(set(tags)) == 50
    assert tuple(BASE_RATES) == TAGS["MSD_musicnn"]
