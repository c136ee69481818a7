"""Runs the load generator again and again, the servers in turn, and keeps every line that it printed."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import servers
from .rows import BASE, GROWTH, GROWTH_ROUNDS

LIMIT = 180


class Results:
    """Lines of the load generator, by run and server."""

    def __init__(self, path):
        self.lines = {}
        self.path = path
        self.began = time.monotonic()
        path.write_text("")

    def add(self, run, server, line):
        self.lines.setdefault((run, server), []).append(line)
        with self.path.open("a") as file:
            file.write(json.dumps({"run": run, "server": server, **line}) + "\n")

    def values(self, run, server, figure):
        lines = self.lines.get((run, server), [])
        return [line[figure] for line in lines if line.get(figure) is not None]

    def pairs(self, run, one, other, figure):
        """What two servers had in the same turns."""
        lines = zip(self.lines.get((run, one), []), self.lines.get((run, other), []))
        pairs = [(one.get(figure), other.get(figure)) for one, other in lines]
        return [pair for pair in pairs if None not in pair]

    def faults(self, run, server):
        lines = self.lines.get((run, server), [])
        names = ("missing", "duplicates", "out_of_order", "wrong")
        return {name: sum(line.get(name, 0) for line in lines) for name in names}


def load(arguments):
    """One line of the load generator."""
    command = ["taskset", "-c", servers.LOAD_CORE, str(servers.LOAD), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"load ended with {done.returncode}")
    line = json.loads(done.stdout)
    if arguments[0] == "nats":
        line["added_us"] = line["p50_us"]
    elif "node1_p50_us" in line:
        line["added_us"] = line["node1_p50_us"] - line["node0_p50_us"]
    return line


def once(results, key, name, arguments, nodes=1):
    """One run of one server. What fails is told and counts as no figure."""
    try:
        with servers.Fleet(name, nodes) as fleet:
            line = load([arguments[0], *fleet.arguments(), *arguments[1:]])
    except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as problem:
        print(f"  {key} {name}: {problem}", file=sys.stderr)
        results.add(key, name, {"failed": str(problem)})
        return
    results.add(key, name, line)
    figures = ("cpu_us", "user_us", "p50_us", "p99_us", "kib_each", "added_us", "generator_share")
    shown = ", ".join(f"{figure} {line[figure]:.4g}" for figure in figures if line.get(figure) is not None)
    print(f"  [{time.monotonic() - results.began:4.0f} s] {key} {name}: {shown}", flush=True)


def with_time(arguments, quick):
    """Short runs for a smoke; the mode's own time wins."""
    time_of_run = ["--seconds", "0.4", "--warm-up", "0.2"] if quick else ["--seconds", "1.5", "--warm-up", "0.5"]
    return [arguments[0], *time_of_run, *arguments[1:]]


def interleaved(results, run, quick):
    """The servers of a run in turn, so that what the host does meanwhile hits all of them."""
    rounds = max(run.pairs, run.others)
    for turn in range(1 if quick else rounds):
        for name in run.servers:
            if turn < (run.pairs if name in BASE else run.others):
                once(results, run.key, name, with_time(run.apart.get(name, run.load), quick), run.nodes)


def growth(results, quick):
    for _ in range(1 if quick else GROWTH_ROUNDS):
        for row in GROWTH:
            for size in row.sizes:
                for name in ("ours", "floor"):
                    once(results, row.key(size), name, with_time([*row.load, "--clients", str(size)], quick))


def start(results):
    """From the start of the binary to its first answer, and its size without symbols."""
    binary = servers.PRODUCT / "actix-socketio"
    port = next(servers.PORTS)
    command = ["start", "--target", f"127.0.0.1:{port}", "--", "taskset", "-c", servers.SERVER_CORE]
    results.add("start", "ours", load([*command, str(binary), "--port", str(port)]))
    descriptor, name = tempfile.mkstemp()
    os.close(descriptor)
    try:
        subprocess.run(["strip", "-o", name, str(binary)], check=True)
        results.add("size", "ours", {"mib": Path(name).stat().st_size / 2**20})
    finally:
        os.unlink(name)
