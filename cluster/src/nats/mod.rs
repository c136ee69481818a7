//! The bus over NATS.
//!
//! Used by nodes and emitters through [`Bus`]. The client library waits where we must not: its `publish` blocks while the server
//! is away, and sends what is long out of date when it is back. So a queue of our own, bounded in messages, bytes and age, stands before it, and
//! one task moves what is in it. Nothing outside this folder may know `async_nats`.

mod intake;
mod options;
mod order;
mod queue;
mod state;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State as ConnectionState;
use async_nats::{Client, Event};
use tokio::task::JoinHandle;

pub use options::{Credentials, NatsOptions};

use crate::bus::{Bus, BusEvents, Publish, PublishError, Subscription};
use crate::inbound::Inbound;
use crate::subject::Subject;
use intake::Intake;
use queue::Queue;
use state::Reported;

/// Why there is no connection to NATS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The options name no server.
    #[error("no NATS server is given")]
    NoServer,
    /// No server could be reached, or none let us in.
    #[error("no connection to NATS: {0}")]
    Connect(#[from] async_nats::ConnectError),
    /// The credentials cannot be read.
    #[error("the NATS credentials are unusable: {0}")]
    Credentials(#[source] std::io::Error),
}

/// A connection to NATS. It reconnects by itself, for ever, to any server of the cluster; it ends when it is dropped.
///
/// What one node publishes comes in the order in which it was published, on whatever subjects; see
/// [`peek_order`](crate::codec::peek_order). Other messages keep their order per publisher and subject.
#[derive(Debug)]
pub struct NatsBus {
    client: Client,
    queue: Arc<Queue>,
    tasks: [JoinHandle<()>; 3],
}

impl NatsBus {
    /// Connects.
    ///
    /// # Errors
    /// When none of the servers can be reached or lets us in: only a connection that was there once is tried again.
    pub async fn connect(options: NatsOptions) -> Result<(Self, BusEvents), ConnectError> {
        if options.servers.is_empty() {
            return Err(ConnectError::NoServer);
        }
        let (inbound, events) = Inbound::new(options.inbound_capacity);
        let reported = Arc::new(Reported::new(inbound));
        let queue = Arc::new(Queue::new(options.queue_limits()));
        let on_event = {
            let (reported, queue) = (reported.clone(), queue.clone());
            move |event| {
                report(&event, &reported);
                queue.wake();
                std::future::ready(())
            }
        };
        let intake = Arc::new(Intake::new(options.subscription_capacity.max(1)));
        let servers = options.servers.clone();
        let client = options.into_client_options()?.event_callback(on_event).connect(servers).await?;
        reported.connection(true);
        let tasks = [
            tokio::spawn(writer::run(client.clone(), queue.clone(), intake.clone(), reported.clone())),
            tokio::spawn(intake::run(intake, reported.clone())),
            tokio::spawn(watch(client.clone(), reported)),
        ];
        Ok((Self { client, queue, tasks }, events))
    }

    /// Takes nothing more, and sends what waits: whether that was possible within `timeout`. Subscriptions go on until the
    /// bus is dropped.
    pub async fn close(&self, timeout: Duration) -> bool {
        self.queue.close();
        let sent = async {
            self.queue.drained().await;
            self.client.flush().await.is_ok()
        };
        tokio::time::timeout(timeout, sent).await.unwrap_or(false)
    }
}

impl Drop for NatsBus {
    fn drop(&mut self) {
        self.queue.close();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Bus for NatsBus {
    fn publish(&self, message: Publish) -> Result<(), PublishError> {
        let (size, limit) = (message.body.len(), self.max_payload());
        if size > limit {
            return Err(PublishError::TooLarge { size, limit });
        }
        self.queue.publish(message)
    }

    fn subscribe(&self, subject: Subject) {
        self.queue.want(Subscription::plain(subject), true);
    }

    fn unsubscribe(&self, subject: Subject) {
        self.queue.want(Subscription::plain(subject), false);
    }

    fn subscribe_queue(&self, subject: Subject, group: &str) {
        self.queue.want(Subscription::queue(subject, group), true);
    }

    fn unsubscribe_queue(&self, subject: Subject, group: &str) {
        self.queue.want(Subscription::queue(subject, group), false);
    }

    fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    fn is_connected(&self) -> bool {
        is_connected(&self.client)
    }
}

fn is_connected(client: &Client) -> bool {
    client.connection_state() == ConnectionState::Connected
}

fn report(event: &Event, reported: &Reported) {
    match event {
        Event::Connected => {
            tracing::info!("connected to NATS");
            reported.connection(true);
        }
        Event::Disconnected => {
            tracing::warn!("the connection to NATS is lost");
            reported.connection(false);
        }
        Event::SlowConsumer(_) => reported.lost(),
        Event::ServerError(error) => tracing::warn!(%error, "NATS refuses something"),
        Event::ClientError(error) => tracing::warn!(%error, "NATS cannot be used"),
        Event::LameDuckMode | Event::Draining | Event::Closed => tracing::info!(%event, "NATS"),
    }
}

/// The client drops events when there are many at once; this finds what they would have told.
async fn watch(client: Client, reported: Arc<Reported>) {
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    loop {
        tick.tick().await;
        reported.connection(is_connected(&client));
    }
}
