"""A nats-server (`NATS_SERVER`, default: the one beside this Python) and testbeds that are the nodes of one cluster."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from testbed import START_LIMIT_S, Testbed, free_port

NATS_SERVER = os.environ.get("NATS_SERVER") or str(Path(sys.executable).parent / "nats-server")
#: The binary, whose commands talk to a cluster.
SERVICE = os.environ.get("SERVICE") or str(Path(__file__).resolve().parents[3] / "target/release/actix-socketio")
COMMAND_LIMIT_S = 60


class NatsServer:
    """One server process on loopback."""

    def __init__(self, *args, **env):
        self.args = args
        self.env = env
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [NATS_SERVER, "-a", "127.0.0.1", "-p", str(self.port), *self.args],
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + START_LIMIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{NATS_SERVER} does not listen") from None
                time.sleep(0.02)

    def stop(self):
        self.process.kill()
        self.process.wait()


async def settled(client):
    """Waits until the server knows the subscriptions. nats-py writes the PING of a flush at once, even before a SUB that its writer has
    yet to write; the PING of a second flush comes after that."""
    await client.flush()
    await client.flush()


class Service:
    """The binary as a node, on a free port."""

    def __init__(self, *args, **env):
        self.args = args
        self.env = env
        self.url = None
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [SERVICE, "--port", "0", *self.args],
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        deadline = threading.Timer(START_LIMIT_S, self.process.kill)
        deadline.start()
        for line in self.process.stdout:
            if line.startswith("listening on "):
                self.url = line.removeprefix("listening on ").split(",")[0]
                break
        deadline.cancel()
        if self.url is None:
            self.stop()
            raise RuntimeError(f"{SERVICE} {self.args} does not listen")
        return self

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def command(name, *args, **env):
    """Runs `actix-socketio <name>`: its exit code, what it printed as JSON (or nothing), and what it complained of."""
    done = subprocess.run(
        [SERVICE, name, *args],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


class Cluster:
    """A broker and some nodes, which know each other when `start` returns."""

    def __init__(self, nodes=3, **env):
        self.nats = NatsServer()
        self.nodes = [Testbed(NATS_URL=self.nats.url, **env) for _ in range(nodes)]

    def start(self):
        self.nats.start()
        try:
            for node in self.nodes:
                node.start()
        except BaseException:
            self.kill()
            raise
        return self

    def kill(self):
        for node in self.nodes:
            if node.process:
                node.kill()
        self.nats.stop()

    def stop(self):
        alive = all(node.process.poll() is None for node in self.nodes)
        self.kill()
        assert alive, "a node ended by itself"

    def command(self, name, *args, nats=None):
        """As the function of this name, for this cluster."""
        return command(name, "--nats", nats or self.nats.url, *args)
