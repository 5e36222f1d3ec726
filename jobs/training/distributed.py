"""Data-parallel training of a clip network with Spark's TorchDistributor, on the driver's machine or on the workers'.

The clips reach the processes as a file in the lake, which is deleted after they have read it. If a kill leaves the
file, the first such training an hour later deletes it. Checkpoints are in the lake too, so that the next run of the job
resumes a training whose process was killed.
"""

import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
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
from models.clip_config import ClipModelConfig
from models.clip_training import TrainResult, train
from models.training.checkpoint import EpochReport, TrainState, from_tensors, to_tensors
from models.types import F16

LOG = logger(__name__)


@dataclass(frozen=True)
class WorkerTask:
    """Arguments of every process."""

    lake_root: str
    clips_file: str
    network_card: dict[str, Any]
    checkpoint: str
    determined_by: dict[str, Any]
    use_gpus: bool
    """Whether Spark assigned a GPU to each process; otherwise all train on CPUs, even if a GPU is visible."""


def train_distributed(
    spark: SparkSession,
    workers: int,
    clips: tuple[F16, NDArray[Any], list[str]],
    config: ClipModelConfig,
    store: FileStore,
    checkpoint: str,
    determined_by: Mapping[str, Any],
) -> TrainResult:
    """Return the same as `train` of models/clip_training.py for clips [N, 599, 128] with labels and tracks [N].

    Raises RuntimeError if a process dies; its output is in the log.
    """
    mels, labels, tracks = clips
    names = np.frombuffer(json.dumps(tracks).encode(), np.uint8)
    clear(store, CLIPS)
    file = f"{FOLDER}/{CLIPS}/{uuid.uuid4().hex}.safetensors"
    store.write_bytes(file, save({"mels": mels, "labels": labels, "tracks": names}))
    conf = spark.sparkContext.getConf()
    local = (conf.get("spark.master") or "").startswith("local")
    # TorchDistributor assigns the GPUs that Spark knows of, and fails if it knows of none
    use_gpus = conf.contains(f"spark.{'driver' if local else 'task'}.resource.gpu.amount")
    card = genre_networks.to_card(config)
    task = WorkerTask(store.root, file, card, checkpoint, {**determined_by, "workers": workers}, use_gpus)
    try:
        distributor = TorchDistributor(num_processes=workers, local_mode=local, use_gpu=use_gpus)
        output: Any = distributor.run(run_worker, task)
    finally:
        # the processes have deleted it unless one died
        with suppress(FileNotFoundError):
            store.remove(file)
    model = genre_networks.from_bytes(config.network, output["weights"])
    history = tuple(EpochReport(**report) for report in output["history"])
    return TrainResult(model, history, output["best_epoch"], tuple(output["val_tracks"]))


def run_worker(task: WorkerTask) -> dict[str, Any]:
    """Train in one of the processes; TorchDistributor returns the output of rank 0."""
    if not task.use_gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # NCCL refuses two processes on one device
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    torch.distributed.init_process_group("nccl" if gpu else "gloo")
    try:
        store = FileStore(task.lake_root)
        clips = load(store.read_bytes(task.clips_file))
        torch.distributed.barrier()
        checkpoint = Checkpoint(store, task.checkpoint, task.determined_by)
        is_first = torch.distributed.get_rank() == 0
        if is_first:
            store.remove(task.clips_file)
        result = train(
            clips["mels"], clips["labels"], json.loads(clips["tracks"].tobytes()),
            genre_networks.from_card(task.network_card), log_epoch,
            load_state(checkpoint), lambda state: checkpoint.save(to_tensors(state)),
        )  # fmt: skip
        history = [asdict(report) for report in result.history]
        return {
            "weights": genre_networks.to_bytes(result.model), "history": history,
            "best_epoch": result.best_epoch, "val_tracks": result.val_tracks,
        }  # fmt: skip
    finally:
        torch.distributed.destroy_process_group()


def log_epoch(report: EpochReport) -> None:
    """Write an epoch's metrics to the log."""
    metrics = {f"val_{name}": round(value, 4) for name, value in report.metrics.items()}
    LOG.info("epoch", epoch=report.epoch, epochs=report.epochs, train_loss=round(report.train_loss, 4), **metrics)


def load_state(checkpoint: Checkpoint) -> TrainState | None:
    """Return the state that an interrupted training saved; None if there is none."""
    if (tensors := checkpoint.load()) is None:
        return None
    state = from_tensors(tensors)
    LOG.info("resuming an interrupted training", epochs_done=state.epoch)
    return state
