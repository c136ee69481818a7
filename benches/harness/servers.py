"""The servers that are compared: how each is started, pinned to one core, and ended by its process id."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
ROOT = BENCHES.parent
PRODUCT = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
LAB = BENCHES / "target" / "release"
VENV = BENCHES / "peers" / "python" / ".venv" / "bin"
LOAD = LAB / "load"

# the server has one core, the load generator another
SERVER_CORE, LOAD_CORE = "0", "1"
PATIENCE = 20


@dataclass
class Server:
    """One of those compared."""

    label: str
    command: list
    environment: dict = field(default_factory=dict)
    # what it is a node of a cluster with: "nats" or "redis"
    broker: str = ""


OURS = [str(PRODUCT / "examples" / "testbed")]
SERVERS = {
    "ours": Server("actix-socketio", OURS, broker="nats"),
    "embedded": Server("actix-socketio, embedded", OURS, {"TRANSPORT": "embedded"}),
    "socketioxide": Server("socketioxide", [str(LAB / "peer-socketioxide")], broker="redis"),
    "node": Server("socket.io (Node)", ["node", str(BENCHES / "peers/node/server.js")], broker="redis"),
    "python": Server(
        "python-socketio", [str(VENV / "python"), str(BENCHES / "peers/python/server.py")], broker="redis"
    ),
    "polling": Server("bare actix-web", [str(LAB / "peer-polling")]),
    "floor": Server("floor", [str(LAB / "floor")]),
    "batched": Server("floor, batched", [str(LAB / "floor")], {"BATCHED": "1"}),
}


def ports():
    """Free ones, again and again others, below those that clients are given: one of a client may be in use for a minute after it."""
    while True:
        for port in range(20000, 30000):
            with socket.socket() as listener:
                try:
                    listener.bind(("127.0.0.1", port))
                except OSError:
                    continue
            yield port


PORTS = ports()


def start(command, port, environment):
    """Starts a process on the servers' core and waits until it accepts connections."""
    process = subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, *command],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.02)
    end(process)
    raise RuntimeError(f"{command} does not start")


def end(process):
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Fleet:
    """The processes of one run: one server, or two nodes and their broker."""

    def __init__(self, name, nodes=1):
        # none: the broker is what is measured
        self.server = None if name == "nats" else SERVERS[name]
        self.nodes = nodes
        self.processes = []
        self.broker = None
        self.folder = None

    def __enter__(self):
        try:
            # the redis manager of one is not the other's: every run has its own broker
            environment = dict(self.server.environment) if self.server else {}
            if self.nodes > 1 or self.server is None:
                self.folder = tempfile.mkdtemp(prefix="lab-")
                environment |= self.start_broker(self.server.broker if self.server else "nats")
            for _ in range(self.nodes if self.server else 0):
                port = next(PORTS)
                process = start(self.server.command, port, {**environment, "PORT": str(port)})
                self.processes.append((process, port))
            if self.server is None:
                self.processes.append(self.broker)
        except BaseException:
            self.close()
            raise
        return self

    def start_broker(self, kind):
        port = next(PORTS)
        if kind == "nats":
            command = [str(VENV / "nats-server"), "--addr", "127.0.0.1", "--port", str(port)]
            variables = {"NATS_URL": f"nats://127.0.0.1:{port}"}
        else:
            command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", self.folder]
            variables = {"REDIS_URL": f"redis://127.0.0.1:{port}"}
        self.broker = (start(command, port, {}), port)
        return variables

    def arguments(self):
        """What the load generator is told about it."""
        arguments = []
        for process, port in self.processes:
            arguments += ["--target", f"127.0.0.1:{port}", "--pid", str(process.pid)]
        if self.broker and self.server:
            arguments += ["--broker-pid", str(self.broker[0].pid)]
        return arguments

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process, _ in [*self.processes, *filter(None, [self.broker])]:
            end(process)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
