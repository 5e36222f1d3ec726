"""A genre network trained by several processes: Spark's TorchDistributor starts them, on the driver's machine or on the workers'.

Clips go to them by a file in the lake, which is removed behind them (what a kill has left goes with the first such training an hour
later); what they reach after each epoch is kept there too, so that a training of which a process died is taken up when the job
runs again.
"""

import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pyspark.ml.torch.distributor import TorchDistributor
from pyspark.sql import SparkSession
from safetensors.numpy import load, save

from jobs.lake.checkpoints import CLIPS, FOLDER, Checkpoint, clear
from jobs.lake.files import FileStore
from jobs.log import logger
from models import genre_networks
from models.clip_network import TrainingConfig
from models.clip_training import EpochReport, TrainResult, train
from models.training.checkpoint import TrainState, from_tensors, to_tensors

LOG = logger(__name__)


@dataclass(frozen=True)
class Task:
    """What every process is told."""

    root: str
    """Of the lake."""
    file: str
    """With the clips."""
    settings: dict[str, Any]
    """As cards have them."""
    checkpoint: str
    determined_by: dict[str, Any]
    gpus: bool
    """Whether Spark gave each process a GPU of its own; else all of them keep to processors, also where a GPU stands."""


def train_together(
    spark: SparkSession, workers: int, clips: tuple[NDArray[np.float16], NDArray[Any], list[str]], settings: TrainingConfig,
    store: FileStore, checkpoint: str, determined_by: Mapping[str, Any],
) -> TrainResult:
    """As models/clip_training.py's `train` of clips [N, 599, 128] with labels and tracks [N], by so many processes.

    Raises RuntimeError where one of them dies; their own words are in the log.
    """
    mels, labels, tracks = clips
    names = np.frombuffer(json.dumps(tracks).encode(), np.uint8)
    clear(store, CLIPS)
    file = f"{FOLDER}/{CLIPS}/{uuid.uuid4().hex}.safetensors"
    store.write_bytes(file, save({"mels": mels, "labels": labels, "tracks": names}))
    conf = spark.sparkContext.getConf()
    here = (conf.get("spark.master") or "").startswith("local")
    # TorchDistributor hands out the GPUs that Spark knows of, and refuses where it knows of none
    gpus = conf.contains(f"spark.{'driver' if here else 'task'}.resource.gpu.amount")
    task = Task(store.root, file, genre_networks.to_card(settings), checkpoint, {**determined_by, "workers": workers}, gpus)
    try:
        together = TorchDistributor(num_processes=workers, local_mode=here, use_gpu=gpus)
        found: Any = together.run(member, task)
    finally:
        # read by then, and removed, unless a process died
        with suppress(FileNotFoundError):
            store.remove(file)
    history = tuple(EpochReport(**epoch) for epoch in found["history"])
    model = genre_networks.from_bytes(settings, found["weights"])
    return TrainResult(model.eval(), history, found["best_epoch"], tuple(found["val_tracks"]))


def member(task: Task) -> dict[str, Any]:
    """One of the processes. What the first returns is what comes back."""
    if not task.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # two processes on one device, and NCCL would refuse both
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    torch.distributed.init_process_group("nccl" if gpu else "gloo")
    try:
        store = FileStore(task.root)
        clips = load(store.read_bytes(task.file))
        torch.distributed.barrier()
        checkpoint = Checkpoint(store, task.checkpoint, task.determined_by)
        first = torch.distributed.get_rank() == 0
        if first:
            store.remove(task.file)
        found = train(
            clips["mels"], clips["labels"], json.loads(clips["tracks"].tobytes()), genre_networks.from_card(task.settings),
            told if first else None, reached(checkpoint), lambda now: checkpoint.keep(to_tensors(now)),
        )  # fmt: skip
        history = [vars(epoch) for epoch in found.history]
        return {
            "weights": genre_networks.to_bytes(found.model), "history": history,
            "best_epoch": found.best_epoch, "val_tracks": found.val_tracks,
        }  # fmt: skip
    finally:
        torch.distributed.destroy_process_group()


def told(epoch: EpochReport) -> None:
    """Into the log."""
    LOG.info("epoch", **{name: round(value, 4) for name, value in vars(epoch).items()})


def reached(checkpoint: Checkpoint) -> TrainState | None:
    """Where a training before came to."""
    if (found := checkpoint.load()) is None:
        return None
    progress = from_tensors(found)
    LOG.info("going on with a training that died", epochs_done=progress.epochs)
    return progress
