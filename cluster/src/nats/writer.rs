//! The task that hands what is in the [`queue`](super::queue) to the NATS client, and the tasks that read subscriptions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Subscriber};
use futures_util::StreamExt as _;
use tokio::task::JoinSet;

use super::is_connected;
use super::queue::{Operation, Queue};
use super::state::Reported;
use crate::bus::{Publish, Received};
use crate::subject::Subject;

/// How often to look whether something became too old or the connection is back, besides being told.
const TICK: Duration = Duration::from_millis(100);

/// Until the task is aborted; the subscriptions end with it.
pub(super) async fn run(client: Client, queue: Arc<Queue>, reported: Arc<Reported>) {
    let mut readers = JoinSet::new();
    let mut subscriptions = HashMap::new();
    loop {
        let (operation, expired) = queue.next(is_connected(&client));
        if expired > 0 {
            tracing::warn!(messages = expired, "messages were too old to be sent to NATS");
            reported.unsent(expired);
        }
        match operation {
            Some(Operation::Publish(message)) => {
                if let Err(error) = publish(&client, message).await {
                    tracing::warn!(%error, "a message was not sent to NATS");
                    reported.unsent(1);
                }
            }
            Some(Operation::Subscribe(subject)) => {
                match client.subscribe(subject.as_str().to_owned()).await {
                    Ok(subscriber) => {
                        let reader = readers.spawn(read(subscriber, subject.clone(), reported.clone()));
                        subscriptions.insert(subject, reader);
                    }
                    // Only when the client has ended, which it does not do by itself.
                    Err(error) => tracing::error!(%error, %subject, "the NATS subscription failed"),
                }
            }
            Some(Operation::Unsubscribe(subject)) => {
                if let Some(reader) = subscriptions.remove(&subject) {
                    // The subscription ends when the task lets go of it.
                    reader.abort();
                }
            }
            None => _ = tokio::time::timeout(TICK, queue.changed()).await,
        }
        while readers.try_join_next().is_some() {}
    }
}

async fn publish(client: &Client, message: Publish) -> Result<(), async_nats::client::PublishError> {
    let subject = message.subject.as_str().to_owned();
    match message.reply {
        Some(reply) => client.publish_with_reply(subject, reply.as_str().to_owned(), message.body).await,
        None => client.publish(subject, message.body).await,
    }
}

async fn read(mut subscriber: Subscriber, subject: Subject, reported: Arc<Reported>) {
    while let Some(message) = subscriber.next().await {
        let reply = message.reply.map(|reply| reply.as_str().to_owned());
        if !reported.message(Received { subject: subject.clone(), reply, body: message.payload }) {
            return;
        }
    }
}
