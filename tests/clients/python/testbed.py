"""Starts and stops the testbed (`TESTBED`, default: the release build of examples/testbed) on a free port."""

import os
import random
import shlex
import socket
import subprocess
import threading
from pathlib import Path

DEFAULT = Path(__file__).resolve().parents[3] / "target/release/examples/testbed"
START_LIMIT_S = 30


#: One for each port handed out.
_held = []


def free_port():
    """A port that nobody listens on, and that no other test is given while this process lives: whoever has one holds the UDP port of the
    same number. Below the range the kernel gives to outgoing connections: those must not take the port of a server that is being
    restarted."""
    while True:
        port = random.randrange(12_000, 32_000)
        lock = socket.socket(type=socket.SOCK_DGRAM)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                lock.bind(("127.0.0.1", port))
                probe.bind(("127.0.0.1", port))
            except OSError:
                lock.close()
                continue
        _held.append(lock)
        return port


class Testbed:
    """One server process; `start` returns once it listens."""

    __test__ = False

    def __init__(self, **env):
        self.env = env
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        command = shlex.split(os.environ.get("TESTBED") or str(DEFAULT))
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **self.env, "PORT": str(self.port)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        deadline = threading.Timer(START_LIMIT_S, self.process.kill)
        deadline.start()
        line = self.process.stdout.readline()
        deadline.cancel()
        if not line.startswith("listening on http://"):
            self.kill()
            raise RuntimeError(f"{command} printed {line!r} instead of what it listens on")
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """To be called last: the server must still be there, then it goes."""
        status = self.process.poll()
        self.kill()
        assert status is None, f"the server ended by itself with {status}"
