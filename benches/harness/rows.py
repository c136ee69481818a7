"""What is measured: one run is one call of the load generator for several servers, one row is a figure of it with its targets."""

from dataclasses import dataclass, field


@dataclass
class Target:
    """The row's figure of our server divided by that of another one must not be above the limit."""

    against: str
    limit: float


@dataclass
class Row:
    title: str
    targets: list = field(default_factory=list)
    figure: str = "cpu_us"
    unit: str = "µs"
    # an absolute limit of our own figure, by server
    limits: dict = field(default_factory=dict)


@dataclass
class Run:
    key: str
    load: list
    servers: list
    rows: list
    nodes: int = 1
    # a server that is measured in another way: its load
    apart: dict = field(default_factory=dict)
    # interleaved repetitions of our server and the floors; of the others
    pairs: int = 5
    others: int = 3


FLOORS = ("floor", "batched")
BASE = ("ours", "embedded", *FLOORS, "polling", "nats")
PEERS = ["socketioxide", "node", "python"]

RUNS = [
    Run(
        "echo",
        ["echo", "--clients", "64", "--in-flight", "4"],
        ["ours", "batched", *PEERS],
        [Row("echo with ack, 64 clients, 4 in flight each", [Target("socketioxide", 0.45), Target("batched", 1.8)])],
    ),
    Run(
        "echo-single",
        ["echo", "--clients", "64", "--in-flight", "1"],
        ["ours", "floor", *PEERS],
        [Row("echo with ack, 64 clients, one in flight each", [Target("socketioxide", 0.65)])],
    ),
    Run(
        "echo-kilobyte",
        ["echo", "--clients", "64", "--in-flight", "4", "--body", "kilobyte"],
        ["ours", "batched", *PEERS],
        [Row("echo of a 1 kB object, 4 in flight", [Target("socketioxide", 0.4)])],
    ),
    Run(
        "broadcast",
        ["broadcast", "--clients", "1000"],
        ["ours", "floor", *PEERS],
        [Row("broadcast to 1,000, one at a time, a delivery", [Target("socketioxide", 0.55), Target("floor", 1.2)])],
        pairs=9,
    ),
    Run(
        "broadcast-large",
        ["broadcast", "--clients", "5000"],
        ["ours", "floor", "socketioxide", "node"],
        [
            Row(
                "broadcast to 5,000, one at a time, a delivery",
                [Target("socketioxide", 0.6), Target("node", 0.6), Target("floor", 1.25)],
            )
        ],
        pairs=9,
    ),
    Run(
        "broadcast-pipelined",
        ["broadcast", "--clients", "1000", "--in-flight", "8"],
        ["ours", "batched", "socketioxide", "node"],
        [Row("broadcast to 1,000, 8 in flight, a delivery", [Target("batched", 2.0)])],
    ),
    Run(
        "broadcast-paced",
        ["broadcast", "--clients", "1000", "--rate", "20"],
        ["ours", "floor", "socketioxide", "node"],
        [Row("broadcast to 1,000, 20 a second, p99 of a delivery", figure="p99_us")],
        pairs=3,
    ),
    Run(
        "cluster",
        ["broadcast", "--clients", "2000"],
        ["ours", *PEERS],
        [Row("cluster broadcast, 2 nodes (others over Redis), 2,000 members, a delivery", [Target("socketioxide", 0.55)])],
        nodes=2,
    ),
    Run(
        "cluster-latency",
        ["broadcast", "--clients", "2", "--rate", "500"],
        ["ours", "nats", "socketioxide", "node"],
        [Row("cluster broadcast, p50 that the other node adds", [Target("nats", 2.0)], figure="added_us")],
        nodes=2,
        apart={"nats": ["nats", "--rate", "500"]},
    ),
    Run(
        "idle",
        ["idle", "--clients", "10000", "--seconds", "0.5"],
        ["ours", "embedded", "floor", *PEERS],
        [
            Row("idle connection, resident memory", figure="kib_each", unit="KiB", limits={"ours": 3, "embedded": 14}),
            Row("websocket handshake and CONNECT", [Target("socketioxide", 0.6)]),
        ],
        pairs=3,
        others=2,
    ),
    Run(
        "churn",
        ["churn", "--in-flight", "32"],
        ["ours", "floor", *PEERS],
        [Row("churn: connect, join, leave, close", [Target("floor", 1.5)])],
    ),
    Run(
        "polling",
        ["polling", "--clients", "64"],
        ["ours", "polling", *PEERS],
        [Row("long-polling echo", [Target("socketioxide", 0.9)])],
    ),
]

# The same figure at 1, 4 and 16 times the size may grow by 15 %. The floor's growth beside it is the kernel's and the caches'.
GROWTH_LIMIT = 1.15
GROWTH_ROUNDS = 3


@dataclass
class Growth:
    title: str
    load: list
    figure: str
    unit: str
    sizes: list

    def key(self, size):
        return f"growth: {self.title}, {size}"


GROWTH = [
    Growth("a delivery", ["broadcast"], "cpu_us", "µs", [500, 2000, 8000]),
    Growth("an idle connection", ["idle", "--seconds", "0.5"], "kib_each", "KiB", [1000, 4000, 16000]),
    Growth("leave and join", ["join", "--in-flight", "16"], "cpu_us", "µs", [500, 2000, 8000]),
]

START_LIMIT_MS = 50
SIZE_LIMIT_MIB = 20
