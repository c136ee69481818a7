//! What the fuzz targets do with their input: each is a function of bytes that panics when something is wrong.
//!
//! Used by the programs in `fuzz_targets/`, and by `tests/corpus.rs`, which replays the kept corpus with a stable compiler.
//! Knows nothing of libFuzzer.

mod app;
mod check;
mod client;
mod cluster;
mod connection;
mod engine;
mod http;
mod input;
mod relay;
mod server;
mod socketio;

pub use self::cluster::{cluster_message, fragments, worker_answer};
pub use self::connection::connection;
pub use self::engine::{eio_packet, eio_payload, ws_frame};
pub use self::http::http_request;
pub use self::relay::relay;
pub use self::socketio::{sio_json, sio_msgpack};
