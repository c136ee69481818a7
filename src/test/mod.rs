//! A client for an application's own tests: it talks to a [`SocketIo`](crate::SocketIo) in the same process,
//! on the same thread, without a network.
//!
//! Everything above the socket is what a client in the field would meet: the hooks of the handshake, the middlewares,
//! handlers, rooms and actors of the application, packets as the configured parser writes them, limits and heartbeats.
//!
//! ```
//! use actix_socketio::test::TestClient;
//! use actix_socketio::{Data, Reply, Socket, SocketIo};
//!
//! fn chat() -> SocketIo {
//!     let io = SocketIo::new();
//!     io.of("/chat").on("join", async |socket: Socket, Data(room): Data<String>| {
//!         let joined = socket.join(&room).await;
//!         let _ = socket.to(&room).emit("joined", socket.id()).await;
//!         joined.map(|_| Reply("ok"))
//!     });
//!     io
//! }
//!
//! // In a test of your own: #[actix_web::test]
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let io = chat();
//!     let alice = TestClient::builder(&io).namespace("/chat").connect().await?;
//!     let bob = TestClient::builder(&io).namespace("/chat").connect().await?;
//!     let answer: String = alice.emit_with_ack("join", "lobby").await?;
//!     assert_eq!(answer, "ok");
//!     bob.emit("join", "lobby").await?;
//!     let who: String = alice.expect("joined").await?;
//!     assert_eq!(who, bob.id());
//!     bob.expect_nothing().await?;
//!     Ok(())
//! }
//! ```
//!
//! Connections live on local tasks: `#[actix_web::test]` and `#[actix_web::main]` provide for that, in a
//! `#[tokio::test]` wrap the test in [`run_local`].

mod client;
mod connect;
mod error;
mod wire;

use std::future::Future;

pub use self::client::{TestAck, TestClient, TestEvent};
pub use self::connect::TestClientBuilder;
pub use self::error::{ConnectError, ExpectError};

/// Runs a test that is not run by `#[actix_web::test]`.
///
/// ```
/// # use actix_socketio::{SocketIo, test::{TestClient, run_local}};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // #[tokio::test]
/// run_local(async {
///     let client = TestClient::connect(&SocketIo::new()).await.expect("no middleware refuses");
///     assert!(client.is_connected());
/// })
/// .await;
/// # }
/// ```
pub async fn run_local<F: Future>(test: F) -> F::Output {
    tokio::task::LocalSet::new().run_until(test).await
}
