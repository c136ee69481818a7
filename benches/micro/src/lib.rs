//! The hot paths of the library, each by itself: what `cargo bench -p actix-socketio-micro` times and `benches/count` counts.
//!
//! A path is a function that prepares, does its operation `n` times, and tells how long these took without the preparation.
//! Everything runs on one thread; the "network" of a server's connections is memory, so no system call is in the way.

mod cluster;
mod line;
mod protocol;
mod server;

use std::time::Duration;

/// One hot path.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// What it is called in tables.
    pub name: &'static str,
    /// What one operation is.
    pub operation: &'static str,
    /// Does it so many times and tells how long that took.
    pub run: fn(u64) -> Duration,
    /// How many operations are enough to count one.
    pub count: u64,
}

/// All of them.
pub const PATHS: &[Path] = &[
    Path {
        name: "json-decode",
        operation: "an event with an acknowledgement id is decoded",
        run: protocol::json_decode,
        count: 2_000,
    },
    Path {
        name: "json-encode",
        operation: "a small struct becomes an event's message",
        run: protocol::json_encode,
        count: 2_000,
    },
    Path {
        name: "msgpack-decode",
        operation: "the same event in msgpack is decoded",
        run: protocol::msgpack_decode,
        count: 2_000,
    },
    Path {
        name: "msgpack-encode",
        operation: "a small struct becomes an event's message",
        run: protocol::msgpack_encode,
        count: 2_000,
    },
    Path {
        name: "frame-read",
        operation: "one of 16 masked frames of one read is read",
        run: protocol::frame_read,
        count: 8_000,
    },
    Path {
        name: "cluster-encode",
        operation: "a broadcast becomes bytes for other nodes",
        run: cluster::encode,
        count: 2_000,
    },
    Path { name: "cluster-decode", operation: "such bytes are decoded", run: cluster::decode, count: 2_000 },
    Path {
        name: "outbox",
        operation: "a message is queued, and taken with seven others",
        run: server::outbox,
        count: 8_000,
    },
    Path {
        name: "echo",
        operation: "an event comes, four to a read; a handler's result is its acknowledgement",
        run: server::echo,
        count: 4_000,
    },
    Path { name: "echo-one", operation: "the same, one to a read", run: server::echo_one, count: 2_000 },
    Path {
        name: "broadcast",
        operation: "one of a room's 200 members gets an event, one event at a time",
        run: server::broadcast,
        count: 20_000,
    },
    Path {
        name: "broadcast-8",
        operation: "the same with eight events to a read",
        run: server::broadcast_8,
        count: 80_000,
    },
    Path {
        name: "join-leave",
        operation: "a socket joins a room of 200 and leaves it",
        run: server::join_leave,
        count: 1_000,
    },
    Path {
        name: "connect-close",
        operation: "a session begins on a websocket, joins a namespace and ends",
        run: server::connect_close,
        count: 400,
    },
    Path {
        name: "polling",
        operation: "an event is posted and its acknowledgement polled, without HTTP's bytes",
        run: server::polling,
        count: 400,
    },
];
