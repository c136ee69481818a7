"""Figures and their targets: met, missed, or not told apart."""

from statistics import median

from .rows import FLOORS, GROWTH, GROWTH_LIMIT, SIZE_LIMIT_MIB, START_LIMIT_MS

# A ratio to a floor that must be below this is near the noise: it counts when enough pairs agree.
CLOSE = 1.4
PAIRS = 9

MET, MISSED, OPEN, NONE = "met", "missed", "not told apart", "not measured"


def compare(results, run, row, target):
    """The verdict of one target, the ratio of the medians, and the ratios of the pairs."""
    ours = results.values(run.key, "ours", row.figure)
    theirs = results.values(run.key, target.against, row.figure)
    if not ours or not theirs or median(theirs) <= 0:
        return NONE, None, []
    ratio = median(ours) / median(theirs)
    pairs = [a / b for a, b in results.pairs(run.key, "ours", target.against, row.figure) if b > 0]
    if any(results.faults(run.key, "ours").values()):
        return MISSED, ratio, pairs
    verdict = MET if ratio <= target.limit else MISSED
    if target.limit >= CLOSE or target.against not in FLOORS:
        return verdict, ratio, pairs
    if len(pairs) >= PAIRS and one_side(pairs, target.limit):
        return verdict, ratio, pairs
    if row.figure == "cpu_us" and user_space(results, run, target) == verdict:
        return f"{verdict} (user space)", ratio, pairs
    return OPEN, ratio, pairs


def of_floor(results, run, row, target):
    """What the floor of the same run has of the other's figure; of long polling, bare actix-web."""
    theirs = results.values(run.key, target.against, row.figure)
    floors = [median(values) for floor in (*FLOORS, "polling") if (values := results.values(run.key, floor, row.figure))]
    if target.against in FLOORS or not floors or not theirs or median(theirs) <= 0:
        return None
    return min(floors) / median(theirs)


def one_side(values, limit):
    return max(values) <= limit or min(values) > limit


def user_space(results, run, target):
    """The kernel's part is the same work for both: what our user space takes more, as a part of all that the floor takes."""
    users = results.pairs(run.key, "ours", target.against, "user_us")
    totals = results.pairs(run.key, "ours", target.against, "cpu_us")
    ratios = [1 + (ours - floor) / total for (ours, floor), (_, total) in zip(users, totals) if total > 0]
    if len(ratios) < PAIRS or not one_side(ratios, target.limit):
        return OPEN
    return MET if max(ratios) <= target.limit else MISSED


def limits(results, run, row):
    """Absolute limits of our own servers: (name, limit, found, verdict)."""
    for name, limit in row.limits.items():
        values = results.values(run.key, name, row.figure)
        if values:
            yield name, limit, median(values), MET if median(values) <= limit else MISSED


def grown(results):
    """Per growth row: the row, its medians by size, the ratio of the last to the first, that of the floor, the verdict."""
    for row in GROWTH:
        sizes = {name: sizes_of(results, row, name) for name in ("ours", "floor")}
        ratios = {name: medians[-1] / medians[0] for name, medians in sizes.items() if medians and medians[0] > 0}
        if "ours" not in ratios:
            continue
        pairs = zip(*(results.values(row.key(size), "ours", row.figure) for size in (row.sizes[0], row.sizes[-1])))
        pairs = [last / first for first, last in pairs if first > 0]
        verdict = MET if ratios["ours"] <= GROWTH_LIMIT else MISSED
        yield row, sizes["ours"], ratios["ours"], ratios.get("floor"), verdict if one_side(pairs, GROWTH_LIMIT) else OPEN


def sizes_of(results, row, name):
    """The medians by size; none unless all were measured."""
    values = [results.values(row.key(size), name, row.figure) for size in row.sizes]
    return [median(each) for each in values] if all(values) else []


def product(results):
    """Start and size: (title, value, unit, limit, verdict)."""
    for title, run, figure, unit, limit in (
        ("start of the binary to its first answer", "start", "median_ms", "ms", START_LIMIT_MS),
        ("stripped binary", "size", "mib", "MiB", SIZE_LIMIT_MIB),
    ):
        values = results.values(run, "ours", figure)
        if values:
            yield title, median(values), unit, limit, MET if median(values) <= limit else MISSED
