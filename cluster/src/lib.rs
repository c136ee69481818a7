//! What Socket.IO nodes and external processes say to each other over NATS.
//!
//! # Layout
//! Pure parts first (no tokio, no NATS), in the order in which a message meets them:
//!
//! | module | what lives there |
//! |---|---|
//! | [`node`] | who a node is |
//! | [`subject`] | which NATS subject carries what |
//! | [`message`] | what nodes say, as values |
//! | [`relay`] | what they say about a session that one has and another serves |
//! | [`codec`] | the same as bytes |
//! | [`external`] | what external processes ask for, in JSON |
//! | [`fragment`] | messages larger than NATS takes |
//! | [`sequence`] | numbers that show what was lost |
//! | [`interest`] | which subjects this node needs |
//! | [`trace`] | which trace a message belongs to |
//!
//! Then what moves them:
//!
//! | module | what lives there |
//! |---|---|
//! | [`bus`] | what carries messages, whatever it is |
//! | [`request`] | a request to whoever listens, and its one answer |
//! | [`memory`] | several nodes in one process |
//! | `nats` | the real one (with the feature of this name) |
//! | [`scatter`] | a request to many nodes, and who did not answer |
//! | [`fence`] | certainty that a subscription is known everywhere |
//! | [`emitter`] | for processes that are no servers |
//!
//! The wire is described in `PROTOCOL.md`. Nothing in this crate knows actix, and nothing in its tree may: external
//! processes depend on it.

pub mod node;
pub mod subject;

pub mod message;

pub mod relay;

pub mod codec;

pub mod external;

pub mod fragment;

pub mod sequence;

pub mod interest;

pub mod trace;

pub mod bus;
mod inbound;

pub mod request;

pub mod memory;

#[cfg(feature = "nats")]
pub mod nats;

pub mod scatter;

pub mod fence;

pub mod emitter;

pub use emitter::Emitter;
#[cfg(feature = "nats")]
pub use nats::{Credentials, NatsBus, NatsOptions, Secret};
