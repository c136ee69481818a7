//! What the integration tests stand on: servers in process on free ports, and clients that write every byte
//! themselves, so that a test can also say what no well-behaved client says.
//!
//! A test over the matrix runs on {native, embedded} × {1, 3 worker threads}: see [`matrix`]. Every request
//! of these clients takes a TCP connection of its own, so that with three workers the requests and the websocket
//! of one session come in on different threads.

// Each test binary uses its part of it.
#![allow(dead_code, unused_imports, unused_macros)]

pub(crate) mod engine;
pub(crate) mod http;
pub(crate) mod relay;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod socketio;
pub(crate) mod tls;
pub(crate) mod ws;

use std::future::Future;
use std::time::{Duration, Instant};

pub(crate) use self::engine::EngineServer;
pub(crate) use self::http::{Http, Response};
pub(crate) use self::server::{Address, TestServer, Transport, Variant};
pub(crate) use self::session::Polling;
pub(crate) use self::socketio::IoServer;
pub(crate) use self::ws::{Frame, Ws};

/// No single step of a test takes so long, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Awaits one step of a test.
pub(crate) async fn within<T>(what: &str, step: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, step).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing within {PATIENCE:?}"),
    }
}

/// Waits until `probe` finds something.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Runs each of these `async fn(Variant)` on every variant.
macro_rules! matrix {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use crate::support::{Transport, Variant};

            #[tokio::test]
            async fn native_1() {
                super::$name(Variant { transport: Transport::Native, workers: 1, relayed: false }).await;
            }

            #[tokio::test]
            async fn native_3() {
                super::$name(Variant { transport: Transport::Native, workers: 3, relayed: false }).await;
            }

            #[tokio::test]
            async fn embedded_1() {
                super::$name(Variant { transport: Transport::Embedded, workers: 1, relayed: false }).await;
            }

            #[tokio::test]
            async fn embedded_3() {
                super::$name(Variant { transport: Transport::Embedded, workers: 3, relayed: false }).await;
            }
        }
    )*};
}
pub(crate) use matrix;

/// The same, and once more with every request of a session relayed from another node: nobody can tell the difference.
macro_rules! matrix_and_relayed {
    ($($name:ident),* $(,)?) => {
        $crate::support::matrix![$($name),*];
        mod relayed {$(
            mod $name {
                use crate::support::{Transport, Variant};

                #[tokio::test]
                async fn native_3() {
                    let variant = Variant { transport: Transport::Native, workers: 3, relayed: true };
                    super::super::$name(variant).await;
                }

                #[tokio::test]
                async fn embedded_1() {
                    let variant = Variant { transport: Transport::Embedded, workers: 1, relayed: true };
                    super::super::$name(variant).await;
                }
            }
        )*}
    };
}
pub(crate) use matrix_and_relayed;
