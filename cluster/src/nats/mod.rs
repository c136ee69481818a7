//! The bus over NATS.
//!
//! Used by nodes and emitters through [`Bus`]. The client library waits where we must not: its `publish` blocks while the server
//! is away, and sends what is long out of date when it is back. So a queue of our own, bounded in messages, bytes and age, stands before it, and
//! one task moves what is in it. Nothing outside this folder may know `async_nats`.

mod address;
mod alarm;
mod credentials;
mod header;
mod intake;
mod options;
mod order;
mod queue;
mod state;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State as ConnectionState;
use async_nats::{Client, Event};
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

pub use credentials::{Credentials, Secret};
pub use options::NatsOptions;

use crate::bus::{Bus, BusEvents, Publish, PublishError, Subscription};
use crate::inbound::Inbound;
use crate::request::{PendingReply, Requests};
use crate::subject::{MAX_PREFIX, Subject};
use alarm::Alarms;
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
    /// This is no address of a NATS server.
    #[error("{0:?} is no address of a NATS server")]
    Address(String),
    /// No server could be reached, or none let us in.
    #[error("no connection to NATS: {0}")]
    Connect(#[from] async_nats::ConnectError),
    /// The credentials are no such.
    #[error("the NATS credentials are unusable: {0}")]
    Credentials(#[source] std::io::Error),
    /// There are credentials in the options and in an address, or different ones in two addresses.
    #[error("there is more than one login for NATS")]
    CredentialsTwice,
    /// A file with a secret, a certificate or a key cannot be read, or is something else.
    #[error("{0:?} is unusable: {1}")]
    File(PathBuf, #[source] std::io::Error),
    /// The prefix of inboxes is not made of plain tokens, or too long.
    #[error(
        "an inbox prefix is tokens of A-Z a-z 0-9 _ - with dots between them, at most {MAX_PREFIX} bytes"
    )]
    InboxPrefix,
}

/// A connection to NATS. It reconnects by itself, for ever, to any server of the cluster; it ends when it is dropped.
///
/// What one node publishes comes in the order in which it was published, on whatever subjects; see
/// [`peek_order`](crate::codec::peek_order). Other messages keep their order per publisher and subject.
#[derive(Debug)]
pub struct NatsBus {
    client: Client,
    queue: Arc<Queue>,
    requests: Arc<Requests>,
    tasks: [JoinHandle<()>; 3],
}

impl NatsBus {
    /// Connects. With [`wait_for_server`](NatsOptions::wait_for_server) it only begins to: then [`BusEvent::Connected`] tells when
    /// it is done.
    ///
    /// # Errors
    /// When the options are wrong; otherwise, unless it waits, when none of the servers can be reached or lets us in: only a
    /// connection that was there once is tried again.
    ///
    /// [`BusEvent::Connected`]: crate::bus::BusEvent::Connected
    pub async fn connect(options: impl Into<NatsOptions>) -> Result<(Self, BusEvents), ConnectError> {
        let options = options.into();
        let (inbound, events) = Inbound::new(options.inbound_capacity);
        let reported = Arc::new(Reported::new(inbound));
        let queue = Arc::new(Queue::new(options.queue_limits()));
        let intake = Arc::new(Intake::new(options.subscription_capacity.max(1)));
        let requests = Arc::new(Requests::new(&options.inbox_prefix));
        let (client_options, servers) = options.into_client_options().await?;
        let on_event = {
            let (reported, queue, alarms) = (reported.clone(), queue.clone(), Alarms::default());
            move |event| {
                report(&event, &reported, &alarms);
                queue.wake();
                std::future::ready(())
            }
        };
        let client = client_options.event_callback(on_event).connect(servers).await?;
        reported.connection(is_connected(&client));
        let tasks = [
            tokio::spawn(writer::run(client.clone(), queue.clone(), intake.clone(), reported.clone())),
            tokio::spawn(intake::run(intake, requests.clone(), reported.clone())),
            tokio::spawn(watch(client.clone(), reported)),
        ];
        Ok((Self { client, queue, requests, tasks }, events))
    }
}

impl Drop for NatsBus {
    fn drop(&mut self) {
        self.queue.close();
        self.requests.close();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Bus for NatsBus {
    fn publish(&self, mut message: Publish) -> Result<(), PublishError> {
        let (size, limit) = (message.body.len(), self.max_payload());
        if size > limit {
            return Err(PublishError::TooLarge { size, limit });
        }
        // Servers count headers, too.
        message.trace.take_if(|trace| size + trace.header_size() > limit);
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

    fn request(&self, message: Publish) -> Result<PendingReply, PublishError> {
        self.queue.want(Subscription::plain(self.requests.subscription()), true);
        let (reply, pending) = self.requests.begin();
        self.publish(Publish { reply: Some(reply), ..message })?;
        Ok(pending)
    }

    fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    fn is_connected(&self) -> bool {
        is_connected(&self.client)
    }

    fn close(&self, timeout: Duration) -> BoxFuture<'_, bool> {
        self.queue.close();
        let sent = async {
            self.queue.drained().await;
            self.client.flush().await.is_ok()
        };
        Box::pin(async move { tokio::time::timeout(timeout, sent).await.unwrap_or(false) })
    }
}

fn is_connected(client: &Client) -> bool {
    client.connection_state() == ConnectionState::Connected
}

fn report(event: &Event, reported: &Reported, alarms: &Alarms) {
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
        Event::ServerError(error) => alarms.tell(&error.to_string()),
        Event::ClientError(error) => alarms.tell(&error.to_string()),
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
