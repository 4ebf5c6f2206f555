"""A headless Chromium, driven by its own protocol over a pipe."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from itertools import count

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PROGRAM = next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page; `call` sends a command of the protocol, `events` are what came beside."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        (to, self.write), (self.read, back) = os.pipe(), os.pipe()
        # Chromium reads its descriptor 3 and writes to 4.
        shell = f'exec "$0" "$@" 3<&{to} 4>&{back}'
        own = [f"--user-data-dir={self.folder.name}", "about:blank"]
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", shell, PROGRAM, *FLAGS, *own],
            pass_fds=(to, back),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to), os.close(back)
        self.numbers, self.rest, self.events, self.session = count(1), b"", [], None
        page = self.call("Target.getTargets")["targetInfos"][0]["targetId"]
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _message(self):
        while b"\0" not in self.rest:
            more = os.read(self.read, 1 << 20)
            if not more:
                raise RuntimeError("Chromium ended.")
            self.rest += more
        one, _, self.rest = self.rest.partition(b"\0")
        return json.loads(one)

    def call(self, method, **params):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while (answer := self._message()).get("id") != number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(answer["error"]["message"])
        return answer["result"]

    def wait(self, method):
        """Until an event has come."""
        while all(event["method"] != method for event in self.events):
            self.events.append(self._message())

    def open(self, address):
        """A page, loaded, with its pictures."""
        self.events.clear()
        self.call("Page.navigate", url=address)
        self.wait("Page.loadEventFired")

    def size(self, width, height=300):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def scheme(self, name):
        feature = {"name": "prefers-color-scheme", "value": name}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def run(self, script):
        """The value of an expression, or of a promise of one."""
        found = self.call(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
        )
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["exception"]["description"])
        return found["result"].get("value")

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        os.close(self.read), os.close(self.write)
        for _ in range(20):  # what is left of it still writes for a moment
            try:
                return self.folder.cleanup()
            except OSError:
                time.sleep(0.1)
