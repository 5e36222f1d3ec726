"""musicnn: a network trained to tag the audio of the Million Song Dataset (Pons and Serra 2019, arXiv:1909.06654).

The weights are in the package `musicnn` 0.1.0 (licence ISC), as TensorFlow checkpoints: trained on the Million Song Dataset
(MSD) or on MagnaTagATune (MTT), 50 tags each. models/tensorflow_checkpoint.py reads them without TensorFlow.
This module computes tags and vectors of a clip from its log-mel spectrogram (preset "musicnn" of models/mel_presets.py).

Letters of the shapes: P patches of T = 187 frames (3 s) and F = 96 mel bins; N frames of a clip; W windows of 7 frames.
"""

from dataclasses import dataclass
from typing import cast

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

from models.types import F32

PATCH, BINS, KERNEL = 187, 96, 7
CHUNK = 32
"""Windows per product of the timbre filters: their outputs stay in a core's cache."""
BN_EPS = 1e-3
BLOCK = 8
"""Outputs of a tempo filter per row of a product; of 4, 8, 11, 16, 24 and 32 the fastest."""
TIMBRE_WIDTHS = (38, 67)
"""Bins that a timbre filter spans: 0.4 and 0.7 of all; it may lie anywhere in pitch."""
TEMPO_LENGTHS = (128, 64, 32)
"""Frames that a tempo filter spans: 2.0, 1.0 and 0.5 s."""
N_TIMBRE, N_TEMPO, N_MID, N_PENULTIMATE, N_TAGS = 204, 51, 64, 200, 50
N_POOLED = 2 * N_TIMBRE + 3 * N_TEMPO + 3 * N_MID

@dataclass(frozen=True)
class MusicnnOutput:
    """What the network computes for P patches."""

    logits: Tensor
    """[P, 50]; the probabilities of the tags are their sigmoid."""
    penultimate: Tensor
    """[P, 200]"""
    pools: Tensor
    """[P, 1506]: maximum and mean over time of each of 753 channels, interleaved (max_0, mean_0, max_1, ...)."""


class ReluNorm(nn.Module):
    """relu, then batch norm with fixed statistics: a scale and a shift per channel (the last axis)."""

    def __init__(self, channels: int) -> None:
        """Make the identity on positive numbers; the weights are loaded later."""
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., channels] for [..., channels]."""
        return torch.addcmul(self.shift, F.relu(x), self.scale)


class Musicnn(nn.Module):
    """The network, for inference: no dropout, and batch norms with fixed statistics.

    `forward` takes patches. `forward_clip` takes a clip, and computes once what overlapping patches share.
    """

    def __init__(self) -> None:
        """Make the network with zero weights; `from_bytes` and `from_tensors` load real ones."""
        super().__init__()
        n_front = 2 * N_TIMBRE + 3 * N_TEMPO
        self.input_scale, self.input_shift = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))
        self.timbre = nn.ModuleList(nn.Conv1d(KERNEL, N_TIMBRE, width) for width in TIMBRE_WIDTHS)
        self.tempo = nn.ModuleList(nn.Conv1d(1, N_TEMPO, length) for length in TEMPO_LENGTHS)
        self.front_sign = nn.Parameter(torch.ones(n_front))
        self.front_norm = ReluNorm(n_front)
        self.mid = nn.ModuleList(nn.Conv1d(n_in, N_MID, KERNEL, padding=KERNEL // 2) for n_in in (n_front, N_MID, N_MID))
        self.mid_norm = nn.ModuleList(ReluNorm(N_MID) for _ in range(3))
        self.pool_scale, self.pool_shift = nn.Parameter(torch.ones(2 * N_POOLED)), nn.Parameter(torch.zeros(2 * N_POOLED))
        self.dense, self.dense_norm = nn.Linear(2 * N_POOLED, N_PENULTIMATE), ReluNorm(N_PENULTIMATE)
        self.tags = nn.Linear(N_PENULTIMATE, N_TAGS)

    def forward(self, patches: Tensor) -> MusicnnOutput:
        """Return the output for log-mel patches [P, 187, 96]. Raises ValueError for another shape."""
        if patches.ndim != 3 or patches.shape[1:] != (PATCH, BINS):
            raise ValueError(f"patches are [P, {PATCH}, {BINS}], not {tuple(patches.shape)}")
        x = patches * self.input_scale + self.input_shift
        padded = F.pad(x, (0, 0, KERNEL // 2, KERNEL // 2))  # P, 193, 96
        windows = padded.unfold(1, KERNEL, 1).transpose(2, 3)  # P, 187, 7, 96
        timbre = self._timbre(windows.reshape(-1, KERNEL, BINS)).view(len(x), PATCH, -1)
        return self._from_timbre(x, timbre)

    def forward_clip(self, mel: Tensor, hop: int = PATCH // 2) -> MusicnnOutput:
        """Return the output for the patches of a clip [N, 96] that start every `hop` frames and lie within it.

        Timbre filters span 7 frames. Overlapping patches share their windows, but for the 3 at each end of a patch, which
        see zeros there. Raises ValueError for a clip shorter than a patch.
        """
        if mel.ndim != 2 or mel.shape[1] != BINS or len(mel) < PATCH:
            raise ValueError(f"a clip is [N, {BINS}] with N >= {PATCH}, not {tuple(mel.shape)}")
        x = mel * self.input_scale + self.input_shift
        half = KERNEL // 2
        starts = torch.arange(0, len(mel) - PATCH + 1, hop, device=mel.device)
        end = int(starts[-1]) + PATCH
        inner = x[:end].unfold(0, KERNEL, 1).transpose(1, 2)  # end - 6, 7, 96: window w is centred at frame w + 3
        patches = x[starts[:, None] + torch.arange(PATCH, device=mel.device)]  # P, 187, 96
        at_start = F.pad(patches[:, : 2 * half], (0, 0, half, 0)).unfold(1, KERNEL, 1).transpose(2, 3)  # P, 3, 7, 96
        at_end = F.pad(patches[:, -2 * half :], (0, 0, 0, half)).unfold(1, KERNEL, 1).transpose(2, 3)
        windows = torch.cat([inner, at_start.reshape(-1, KERNEL, BINS), at_end.reshape(-1, KERNEL, BINS)])
        timbre = self._timbre(windows)
        first, last = timbre[len(inner) :].view(2, len(starts), half, -1)
        middle = timbre[starts[:, None] + torch.arange(PATCH - 2 * half, device=mel.device)]  # P, 181, 408
        return self._from_timbre(patches, torch.cat([first, middle, last], dim=1))

    def _timbre(self, windows: Tensor) -> Tensor:
        """Return the maxima over pitch [W, 408] of the timbre filters on windows [W, 7, 96]."""
        maxima = [torch.cat([conv(part).amax(2) for part in torch.split(windows, CHUNK)]) for conv in self.timbre]
        return torch.cat(maxima, dim=1)

    def _tempo(self, x: Tensor) -> Tensor:
        """Return the maxima over pitch [P, T, 153] of the tempo filters on patches [P, T, 96].

        A product with one input channel is slow. Here a row holds the frames that BLOCK outputs need, and a banded matrix has
        the filter at BLOCK offsets: 10 % more arithmetic, and three times as fast as conv1d on a CPU.
        """
        convs = [cast(nn.Conv1d, conv) for conv in self.tempo]
        banded = [(_banded(conv.weight[:, 0]), cast(Tensor, conv.bias)) for conv in convs]
        return torch.cat([self._tempo_of_patch(patch.T, banded) for patch in x])

    def _tempo_of_patch(self, x: Tensor, banded: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Return the maxima [1, T, 153] of one patch [96, T]: its products stay in a core's cache."""
        maxima = []
        for (matrix, bias), length in zip(banded, TEMPO_LENGTHS, strict=True):
            width = BLOCK + length - 1
            before, blocks = (length - 1) // 2, -(-PATCH // BLOCK)
            padded = F.pad(x, (before, BLOCK * blocks + length - 1 - PATCH - before))
            rows = padded.unfold(1, width, BLOCK).transpose(0, 1).reshape(-1, width)  # blocks * 96, width
            outputs = (rows @ matrix).view(blocks, BINS, N_TEMPO, BLOCK).amax(1) + bias[:, None]
            maxima.append(outputs.transpose(1, 2).reshape(1, -1, N_TEMPO)[:, :PATCH])
        return torch.cat(maxima, dim=2)

    def _from_timbre(self, x: Tensor, timbre: Tensor) -> MusicnnOutput:
        """Return the output for patches [P, T, 96] (after the input's norm) and their timbre maxima [P, T, 408]."""
        maxima = torch.cat([timbre, self._tempo(x)], dim=2)
        front = self.front_norm(maxima * self.front_sign)  # P, T, 561
        channels, residual = [front], None
        for conv, norm in zip(self.mid, self.mid_norm, strict=True):
            y = norm(conv(channels[-1].transpose(1, 2)).transpose(1, 2))  # P, T, 64
            residual = y if residual is None else residual + y
            channels.append(residual)
        joined = torch.cat(channels, dim=2)  # P, T, 753
        pools = torch.stack([joined.amax(1), joined.mean(1)], dim=2).flatten(1)  # P, 1506
        penultimate = self.dense_norm(self.dense(pools * self.pool_scale + self.pool_shift))
        return MusicnnOutput(self.tags(penultimate), penultimate, pools)


def _banded(filters: Tensor) -> Tensor:
    """Return [BLOCK + k - 1, n * BLOCK]: filters [n, k], in column (filter, offset) shifted down by the offset."""
    n, k = filters.shape
    matrix = filters.new_zeros(BLOCK + k - 1, n, BLOCK)
    for offset in range(BLOCK):
        matrix[offset : offset + k, :, offset] = filters.T
    return matrix.flatten(1)


def to_bytes(model: Musicnn) -> bytes:
    """Return the weights as safetensors."""
    return save({name: value.detach().contiguous() for name, value in model.state_dict().items()})


def from_bytes(blob: bytes) -> Musicnn:
    """Return the network that `to_bytes` saved, ready for inference."""
    model = Musicnn()
    model.load_state_dict(load(blob))
    return model.eval().requires_grad_(False)


def from_tensors(tensors: dict[str, F32]) -> Musicnn:
    """Return the network of a checkpoint's tensors, ready for inference. Raises ValueError for those of another network."""
    try:
        return _convert(tensors)
    except KeyError as error:
        raise ValueError(f"the checkpoint has no tensor {error}") from None
    except (RuntimeError, IndexError):
        raise ValueError("the checkpoint's tensors are of another network than musicnn") from None


def _convert(tensors: dict[str, F32]) -> Musicnn:
    """Convert TensorFlow's layout: kernels are [time, pitch, in, out], norms have a mean, a variance, a gamma and a beta."""
    model = Musicnn()

    def numbered(name: str, number: int, part: str) -> Tensor:
        return torch.from_numpy(tensors[f"{name}_{number}/{part}" if number else f"{name}/{part}"].copy())

    def norm(number: int) -> tuple[Tensor, Tensor]:
        gamma, beta, mean, variance = (
            numbered("batch_normalization", number, part) for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / torch.sqrt(variance + BN_EPS)
        return scale, beta - mean * scale

    state: dict[str, Tensor] = {}
    state["input_scale"], state["input_shift"] = norm(0)
    front_scale, front_shift = (torch.cat(parts) for parts in zip(*(norm(number) for number in range(1, 6)), strict=True))
    sign = torch.where(front_scale < 0, -1.0, 1.0)
    state |= {"front_norm.scale": front_scale, "front_norm.shift": front_shift, "front_sign": sign}
    signs = torch.split(sign, [N_TIMBRE] * 2 + [N_TEMPO] * 3)
    for number in range(5):
        kernel = numbered("conv2d", number, "kernel")[:, :, 0]  # time, pitch, out
        # timbre: [out, time, pitch]; tempo: [out, 1, time]
        weight = kernel.permute(2, 0, 1) if number < 2 else kernel.permute(2, 1, 0)
        name = f"timbre.{number}" if number < 2 else f"tempo.{number - 2}"
        state[f"{name}.weight"] = weight * signs[number][:, None, None]
        state[f"{name}.bias"] = numbered("conv2d", number, "bias") * signs[number]
    for number in range(3):
        state[f"mid.{number}.weight"] = numbered("conv2d", 5 + number, "kernel")[:, :, 0].permute(2, 1, 0)
        state[f"mid.{number}.bias"] = numbered("conv2d", 5 + number, "bias")
        state[f"mid_norm.{number}.scale"], state[f"mid_norm.{number}.shift"] = norm(6 + number)
    state["pool_scale"], state["pool_shift"] = norm(9)
    state["dense_norm.scale"], state["dense_norm.shift"] = norm(10)
    for number, name in enumerate(("dense", "tags")):
        state[f"{name}.weight"] = numbered("dense", number, "kernel").T
        state[f"{name}.bias"] = numbered("dense", number, "bias")
    model.load_state_dict({name: value.contiguous() for name, value in state.items()})
    return model.eval().requires_grad_(False)
