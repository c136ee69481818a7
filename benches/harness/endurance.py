"""The server under a load that goes on, or that comes all at once: starts it, has the load generator do it, and says whether it held."""

import json
import os
import subprocess
import sys
import time

from . import servers

# what the load generator is told, in full and in short
TESTS = {
    "stalled": (
        ["--clients", "10000", "--rate", "2", "--warm-up", "20", "--seconds", "200", "--runs", "2"],
        ["--clients", "20", "--rate", "500", "--warm-up", "0.1", "--seconds", "2", "--runs", "1"],
    ),
    "storms": (["--clients", "2000", "--seconds", "1800"], ["--clients", "100", "--seconds", "2"]),
    "reconnect": (
        ["--clients", "10000", "--warm-up", "2", "--seconds", "5"],
        ["--clients", "500", "--warm-up", "0.1", "--seconds", "0.1"],
    ),
}
# MiB: what may wait for one client (outbox_bytes, 1 MiB), and what the allocator and the noise of 10,000 clients make of it
CAP = 4
# seconds: who does not read answers no ping, and is given up an interval and a timeout (25 and 20) after the last answer, unless its outbox is
# full before
CLOSED_WITHIN = 46


def limits(name):
    """Figures of the load generator, what they must not exceed, and how they are said."""
    return {
        "stalled": [
            ("p99_change", 0.10, "the others' p99 grows by"),
            ("stalled_kib", CAP * 1024, "KiB more while one does not read"),
            ("closed_after_s", CLOSED_WITHIN, "s until it is closed"),
        ],
        "storms": [
            ("resident_growth_mib", 2, "MiB of growth after the warm-up"),
            ("lost_acks", 0, "acknowledgements lost"),
        ],
        "reconnect": [("stall_ms", 100, "ms the event loop was late at most")],
    }[name]


def run(name, short):
    arguments = TESTS[name][1 if short else 0]
    port = next(servers.PORTS)
    environment = {"PORT": str(port), "LAB": "1"}
    server = servers.start([os.environ["TESTBED"]], port, environment)
    began = time.monotonic()
    try:
        command = ["taskset", "-c", servers.LOAD_CORE, os.environ["LOAD"], name]
        command += ["--target", f"127.0.0.1:{port}", "--pid", str(server.pid), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        servers.end(server)
    print(f"\n== {name}: {' '.join(arguments)} ({time.monotonic() - began:.0f} s)", flush=True)
    if done.returncode:
        print(f"  FAILED: {done.stderr.strip()}")
        return False
    line = json.loads(done.stdout)
    for figure, value in line.items():
        print(f"  {figure:24} {value}")
    faults = [name for name in ("missing", "duplicates", "out_of_order", "wrong") if line[name]]
    if not line["operations"]:
        faults.append("nothing was done")
    if not short:
        for figure, limit, words in limits(name):
            if line[figure] > limit:
                faults.append(f"{line[figure]} {words}, limit {limit}")
    print(f"  FAILED: {', '.join(faults)}" if faults else "  passed")
    return not faults


def main():
    arguments = sys.argv[1:]
    short = "--short" in arguments
    names = [name for name in arguments if name != "--short"] or list(TESTS)
    if any(name not in TESTS for name in names):
        sys.exit(f"usage: benches/endurance [--short] [{'|'.join(TESTS)}]...")
    results = [run(name, short) for name in names]
    print(f"\n{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
