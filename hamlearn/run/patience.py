"""A word on the way from whatever takes longer than two seconds."""

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar
from weakref import WeakValueDictionary


class Patience:
    """Says on standard error what is being done and since when, after two seconds.

    On a terminal one line, written anew every second and gone at the end; elsewhere a
    line after 2, 4, 8, ... seconds.

        with Patience("audit", total=len(laws)) as patience:
            for name in laws:
                patience.at(name)
    """

    #: Those that wait, by number: a compiled program knows them by that.
    waiting: ClassVar[WeakValueDictionary[int, "Patience"]] = WeakValueDictionary()

    def __init__(self, what: str, total: int | None = None, *, progress: bool = True):
        self.number = id(self) % 2**31
        self._what, self._total, self._progress = what, total, progress
        self._part, self._done = "", 0
        self._over, self._lock = threading.Event(), threading.Lock()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._shown = False

    def __enter__(self) -> "Patience":
        self._began = time.monotonic()
        self._progress = self._progress and not self.waiting  # one line, not two
        if self._progress:
            self.waiting[self.number] = self
            self._ticker.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        if self._progress:
            self._ticker.join()
            self.waiting.pop(self.number, None)
        self._clear()

    def at(self, part: str) -> None:
        """What is being done now, one more of the whole."""
        self._part, self._done = part, self._done + 1

    def hear(self, part: str) -> None:
        """How far it has come."""
        self._part = part

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Room to print something."""
        with self._lock:
            self._clear()
            yield

    def text(self) -> str:
        """What is said now."""
        count = f" ({self._done} of {self._total})" if self._total else ""
        part = f"{self._part}{count}, " if self._part else ""
        return f"{self._what}: {part}{time.monotonic() - self._began:.0f} s"

    def _tick(self) -> None:
        wait = 2.0
        while not self._over.wait(wait):
            with self._lock:
                self._show()
            wait = 1.0 if sys.stderr.isatty() else time.monotonic() - self._began

    def _show(self) -> None:
        if sys.stderr.isatty():
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{self.text()[:width]}")
            self._shown = True
        else:
            sys.stderr.write(f"{self.text()}\n")
        sys.stderr.flush()

    def _clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False
