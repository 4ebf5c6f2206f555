"""One process a folder, and an end that saves when the system asks for it."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .. import _checks

try:
    import fcntl
except ImportError:  # Windows has no such locks; there the folder stands open
    fcntl = None


@contextlib.contextmanager
def guarded(path: str | Path | None) -> Iterator[None]:
    """Hold the folder for this process, and let SIGTERM end it as Ctrl-C does."""
    if path is None:
        yield
        return
    with _held(Path(path)), terminable():
        yield


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """A lock that the system takes back when the process ends, however it ends."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / "lock").open("a+")
    except OSError as error:
        got = f"{path} ({error.strerror})"
        _checks.reject("checkpoint", "a folder that can be written to", got)
    with file:
        _lock(file, path)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def _lock(file: IO[str], path: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        who = file.read() or "another process"
        got = f"{path}, to which {who} is writing"
        _checks.reject("checkpoint", "a folder of one run at a time", got)
    except OSError:
        pass  # a file system without locks


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends the program as it would, by an exception that lets a run save.

    Only where Python may set it, and nobody else has.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
