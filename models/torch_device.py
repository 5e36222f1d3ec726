"""Choice of the device that tensors are computed on."""

import torch


def best_device() -> torch.device:
    """Return the GPU if there is one, else the CPU. Sums on a GPU may differ from those on a CPU in their last bits."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
