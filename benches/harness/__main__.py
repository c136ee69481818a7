"""`benches/run` calls this once everything is built."""

import argparse
import signal
import sys
import time

from . import measure, servers, table
from .rows import GROWTH, RUNS


def main():
    # whoever is ended ends its servers
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    keys = [run.key for run in RUNS] + ["growth", "start"]
    parser = argparse.ArgumentParser(prog="benches/run")
    parser.add_argument("--quick", action="store_true", help="a smoke: every run once and short, no figure to quote")
    parser.add_argument("--doc", action="store_true", help="write docs/performance.md")
    parser.add_argument("mode", nargs="*", help=f"some of: {' '.join(keys)}")
    options = parser.parse_args()
    if unknown := [mode for mode in options.mode if mode not in keys]:
        parser.error(f"there is no mode {unknown[0]}")

    wanted = options.mode or keys
    runs = [run for run in RUNS if run.key in wanted]
    if options.quick:
        # the slow ones and the large ones tell a smoke nothing new
        runs = [run for run in runs if options.mode or run.key not in ("broadcast-large", "broadcast-paced")]
        for row in GROWTH:
            row.sizes = [size // 8 for size in row.sizes]
        for run in runs:
            run.load = ["1000" if argument == "10000" else argument for argument in run.load]
            run.servers = [name for name in run.servers if options.mode or name != "python"]
    results = measure.Results(servers.BENCHES / "results.jsonl")
    began = time.monotonic()
    for run in runs:
        measure.interleaved(results, run, options.quick)
    if "growth" in wanted and (options.mode or not options.quick):
        measure.growth(results, options.quick)
    if "start" in wanted:
        measure.start(results)

    for part in (table.comparison, table.verdicts, table.latencies, table.faults):
        print("\n" + "\n".join(part(results, runs)))
    seconds = time.monotonic() - began
    print(f"\n{seconds:.0f} s; every line of the load generator is in {results.path}")
    if options.doc:
        command = " ".join(["benches/run", *sys.argv[1:]])
        path = servers.ROOT / "docs" / "performance.md"
        path.write_text(table.document(results, runs, command, seconds))
        print(f"wrote {path}")


main()
