"""Several devices compute what one does, in one process or in two."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "devices.py"


def started(devices, *arguments):
    """The script in a process of its own, with so many devices made of the CPU."""
    flags = os.environ.get("XLA_FLAGS", "")
    flags += f" --xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"XLA_FLAGS": flags},
    )  # fmt: skip


def answers(*processes):
    """What each has printed last."""
    told = []
    for process in processes:
        out, error = process.communicate(timeout=600)
        assert process.returncode == 0, error[-3000:]
        told.append(json.loads(out.splitlines()[-1]))
    return told


@pytest.mark.slow
def test_devices_of_one_process():
    """Streams of a batch and nodes of a graph, on automatic and explicit meshes."""
    (told,) = answers(started(4, "one"))
    assert told["devices"] == 4
    assert len(told["found"]) == 2 * (8 + 3)
    for name, (difference, divided) in told["found"].items():
        assert difference < 1e-11, name
        assert divided in (4, True), name


@pytest.mark.slow
def test_two_processes():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    one, other = answers(started(2, port, 0), started(2, port, 1))
    assert one["devices"] == 4
    assert one == other
    for name, (difference, divided) in one["found"].items():
        assert difference < 1e-11, name
        assert divided in (4, True), name
