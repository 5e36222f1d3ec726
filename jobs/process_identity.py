"""Identify a process uniquely over time, so that a later process with the same number is not mistaken for it."""

import os
from pathlib import Path
from typing import Any


def process_identity(pid: int) -> dict[str, Any]:
    """Return `machine`, `pid` and `began`; `began` is null if the process is not alive.

    `machine`: the boot id and the PID namespace (containers have process numbers of their own).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        machine = f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return {"machine": os.urandom(8).hex(), "pid": pid, "began": None}
    try:
        # not psutil's create_time: it is derived from the system clock, which may be set between two reads
        # after the process name, which may hold any character: the state, and as the 20th field the start time in ticks
        state, *others = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        state, others = "X", []
    return {"machine": machine, "pid": pid, "began": None if state in "ZX" else others[18]}


def has_ended(identity: dict[str, Any]) -> bool:
    """Return True only if the process ran on this machine and has ended."""
    now = process_identity(int(identity.get("pid") or 0))
    return identity.get("machine") == now["machine"] and identity != now
