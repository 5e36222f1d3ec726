"""Aliases of numpy arrays; each has one meaning in the whole repository."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

F16 = NDArray[np.float16]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]
Tensors = dict[str, NDArray[Any]]
"""Arrays of a model by name, as safetensors stores them."""
