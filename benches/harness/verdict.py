"""Figures and their targets: met, missed, or not told apart."""

from statistics import median

from .rows import GROWTH, GROWTH_LIMIT, SIZE_LIMIT_MIB, START_LIMIT_MS

# A limit below this is near the noise: it counts when enough pairs agree.
CLOSE = 1.4
PAIRS = 9

MET, MISSED, OPEN, NONE = "met", "missed", "not told apart", "not measured"


def compare(results, run, row, target):
    """Returns the ratio and the verdict of one target."""
    ours = results.values(run.key, "ours", row.figure)
    other_run, figure = ("nats", "p50_us") if target.against == "nats" else (run.key, row.figure)
    theirs = results.values(other_run, target.against, figure)
    if not ours or not theirs or median(theirs) <= 0:
        return None, NONE
    ratio = median(ours) / median(theirs)
    if any(results.faults(run.key, "ours").values()):
        return ratio, MISSED
    verdict = MET if ratio <= target.limit else MISSED
    if target.limit >= CLOSE:
        return ratio, verdict
    pairs = [a / b for a, b in zip(ours, theirs)]
    if len(pairs) >= PAIRS and one_side(pairs, target.limit):
        return ratio, verdict
    if row.figure == "cpu_us" and user_space(results, run, target) == verdict:
        return ratio, f"{verdict} (user space)"
    return ratio, OPEN


def one_side(values, limit):
    return max(values) <= limit or min(values) > limit


def user_space(results, run, target):
    """The kernel's part is the same work for both: what our user space takes more, as a part of all that the floor takes."""
    ours = results.values(run.key, "ours", "user_us")
    theirs = results.values(run.key, target.against, "user_us")
    totals = results.values(run.key, target.against, "cpu_us")
    pairs = [1 + (a - b) / total for a, b, total in zip(ours, theirs, totals) if total > 0]
    if len(pairs) < PAIRS or not one_side(pairs, target.limit):
        return OPEN
    return MET if max(pairs) <= target.limit else MISSED


def limits(results, run, row):
    """Absolute limits of our own servers: (name, limit, verdict)."""
    for name, limit in row.limits.items():
        values = results.values(run.key, name, row.figure)
        yield name, limit, NONE if not values else MET if median(values) <= limit else MISSED


def grown(results):
    """Per growth row: title, unit, medians by size, ratio of the last to the first, verdict."""
    for title, _, figure, unit, sizes in GROWTH:
        medians = []
        for size in sizes:
            values = results.values(f"{title} {size}", "ours", figure)
            medians.append(median(values) if values else None)
        if None in medians or medians[0] <= 0:
            yield title, unit, sizes, medians, None, NONE
            continue
        ratio = medians[-1] / medians[0]
        yield title, unit, sizes, medians, ratio, MET if ratio <= GROWTH_LIMIT else MISSED


def product(results):
    """Start and size: (title, value, unit, limit, verdict)."""
    for title, run, figure, unit, limit in (
        ("start of the binary to its first answer", "start", "median_ms", "ms", START_LIMIT_MS),
        ("stripped binary", "size", "mib", "MiB", SIZE_LIMIT_MIB),
    ):
        values = results.values(run, "ours", figure)
        if values:
            yield title, median(values), unit, limit, MET if median(values) <= limit else MISSED
