"""How sure a genre network may be: one temperature for all its outputs, found on held tracks (Guo and others 2017)."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from models.clip_network import FACTORS, ClipNetwork, answers
from models.clips import mean_by
from models.training_goals import Goal

CALM = (0.2, 20.0)
"""Temperatures that are considered."""
LEAST_TRACKS = 20
"""Held tracks below which a temperature would be chance."""


def calibrate(model: ClipNetwork, mels: NDArray[np.float16], goal: Goal, tracks: NDArray[np.str_], held: NDArray[np.bool_]) -> None:
    """Set the model's temperature to that with which its held tracks' mean probabilities are most likely.

    Leaves it at 1 where there are too few held tracks to tell, and for a network that says no probabilities.
    """
    rows = np.flatnonzero(held)
    names, first, place = np.unique(tracks[rows], return_index=True, return_inverse=True)
    if model.cfg.says == FACTORS or len(names) < LEAST_TRACKS:
        return
    outputs = torch.from_numpy(answers(model, mels[rows], beside=goal.beside(rows))[0].astype(np.float64)).to(model.mean.device)

    def loss(temperature: float) -> float:
        said = model.said(outputs / temperature).cpu().numpy()
        return goal.judged(mean_by(place, said, len(names)), rows[first])[0]

    model.temperature.fill_(float(minimize_scalar(loss, bounds=CALM, method="bounded").x))
