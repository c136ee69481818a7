"""The side-by-side table, as Markdown."""

import json
import os
import platform
import subprocess
from datetime import date
from statistics import median

from . import servers, verdict
from .rows import GROWTH_LIMIT

COLUMNS = ("ours", "embedded", "floor", "batched", "polling", "nats", "socketioxide", "node", "python")
HEADINGS = {"ours": "ours", "node": "Node", "python": "python", "polling": "actix-web", "batched": "floor, batched", "nats": "bare NATS"}


def number(value):
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def cell(values):
    """The median and the range."""
    if not values:
        return ""
    if len(values) == 1:
        return number(values[0])
    return f"{number(median(values))} ({number(min(values))}–{number(max(values))})"


def line(*cells):
    return "| " + " | ".join(cells) + " |"


def comparison(results, runs):
    columns = [name for name in COLUMNS if any((run.key, name) in results.lines for run in runs)]
    if not columns:
        return
    yield line("work", "unit", *(HEADINGS.get(name, name) for name in columns))
    yield line("---", "---", *("---:" for _ in columns))
    for run in runs:
        for row in run.rows:
            cells = [cell(results.values(run.key, name, row.figure)) for name in columns]
            if any(cells):
                yield line(row.title, row.unit, *cells)


def verdicts(results, runs):
    yield line("work", "target", "found", "floor", "verdict")
    yield line("---", "---", "---", "---", "---")
    for run in runs:
        for row in run.rows:
            for target in row.targets:
                found, ratio, pairs = verdict.compare(results, run, row, target)
                name = HEADINGS.get(target.against, target.against)
                if ratio is not None:
                    spread = f"{ratio:.2f} ({min(pairs):.2f}–{max(pairs):.2f})" if len(pairs) > 1 else f"{ratio:.2f}"
                    floor = verdict.of_floor(results, run, row, target)
                    yield line(row.title, f"≤ {target.limit} × {name}", spread, ratio_of(floor), found)
            for name, limit, value, found in verdict.limits(results, run, row):
                title = row.title if name == "ours" else f"{row.title}, {name}"
                yield line(title, f"≤ {limit} {row.unit}", number(value), "", found)
    for row, medians, ratio, floor, found in verdict.grown(results):
        steps = ", ".join(f"{number(value)} at {size:,}" for size, value in zip(row.sizes, medians))
        title = f"growth: {row.title} ({steps} {row.unit})"
        yield line(title, f"≤ {GROWTH_LIMIT} × from 1× to 16×", f"{ratio:.2f}", ratio_of(floor), found)
    for title, value, unit, limit, found in verdict.product(results):
        yield line(title, f"≤ {limit} {unit}", number(value), "", found)


def ratio_of(value):
    return "" if value is None else f"{value:.2f}"


def latencies(results, runs):
    yield line("work", "server", "a second", "p50 µs", "p99 µs", "max µs", "of it user CPU", "generator busy")
    yield line("---", "---", "---:", "---:", "---:", "---:", "---:", "---:")
    for run in runs:
        for name in run.servers:
            figures = {
                figure: results.values(run.key, name, figure)
                for figure in ("per_second", "p50_us", "p99_us", "max_us", "user_us", "cpu_us", "generator_share")
            }
            if figures["p50_us"] and figures["cpu_us"] and run.rows:
                user = median(figures["user_us"]) / max(median(figures["cpu_us"]), 1e-9)
                speed = [number(median(figures[figure])) for figure in ("per_second", "p50_us", "p99_us", "max_us")]
                share = f"{median(figures['generator_share']):.0%}"
                yield line(run.rows[0].title, HEADINGS.get(name, name), *speed, f"{user:.0%}", share)


def faults(results, runs):
    """What servers lost, doubled, mixed up or returned changed."""
    found = []
    for run in runs:
        for name in run.servers:
            counts = {fault: count for fault, count in results.faults(run.key, name).items() if count}
            failed = sum("failed" in line for line in results.lines.get((run.key, name), []))
            if failed:
                counts["failed runs"] = failed
            if counts:
                told = ", ".join(f"{count:,} {fault.replace('_', ' ')}" for fault, count in counts.items())
                found.append(f"- {HEADINGS.get(name, name)}, {run.rows[0].title if run.rows else run.key}: {told}")
    return found or ["None: nothing was missing, doubled, out of order or changed."]


def first_line(command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0].strip()
    except (OSError, IndexError):
        return "not installed"


def host():
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown")
    yield f"- {os.cpu_count()} × {model}, Linux {platform.release()}, {date.today()}"
    commit = first_line(["git", "-C", str(servers.ROOT), "describe", "--always", "--dirty", "--tags"])
    yield f"- actix-socketio {commit}, {first_line(['rustc', '--version'])}"
    package = json.loads((servers.BENCHES / "peers/node/package.json").read_text())
    packages = ", ".join(f"{name} {version}" for name, version in package["dependencies"].items())
    yield f"- Node {platform_node()}: {packages}"
    wanted = (servers.BENCHES / "peers/python/requirements.in").read_text().split()
    yield f"- Python {platform.python_version()}: {', '.join(wanted)}"
    lock = (servers.BENCHES / "Cargo.lock").read_text().split("[[package]]")
    for name in ("socketioxide", "socketioxide-redis", "axum", "actix-web"):
        for entry in lock:
            if f'name = "{name}"\n' in entry:
                yield f"- {name} {entry.split('version = ')[1].split(chr(34))[1]}"
    yield f"- {first_line(['redis-server', '--version'])[:30]}"


def platform_node():
    return first_line(["node", "--version"])


def document(results, runs, command, seconds):
    """`docs/performance.md`."""
    template = (servers.BENCHES / "harness" / "performance.md").read_text()
    parts = {
        "COMMAND": command,
        "MINUTES": f"{seconds / 60:.0f}",
        "HOST": "\n".join(host()),
        "COMPARISON": "\n".join(comparison(results, runs)),
        "VERDICTS": "\n".join(verdicts(results, runs)),
        "LATENCIES": "\n".join(latencies(results, runs)),
        "FAULTS": "\n".join(faults(results, runs)),
    }
    for name, text in parts.items():
        template = template.replace(f"{{{name}}}", text)
    return template
