"""Where tensors are computed on."""

import torch


def best_device() -> torch.device:
    """A GPU where there is one. Sums on it go in another order: results may differ from a processor's in their last bits."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
