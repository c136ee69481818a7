//! The task that hands what is in the [`queue`](super::queue) to the NATS client, in order.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, SubscribeError};

use super::header;
use super::intake::Intake;
use super::is_connected;
use super::queue::{Operation, Queue};
use super::state::Reported;
use crate::bus::{Publish, Subscription};

/// How often to look whether something became too old or the connection is back, besides being told.
const TICK: Duration = Duration::from_millis(100);

/// Until the task is aborted.
pub(super) async fn run(client: Client, queue: Arc<Queue>, intake: Arc<Intake>, reported: Arc<Reported>) {
    loop {
        let (operation, expired) = queue.next(is_connected(&client));
        if expired > 0 {
            // Counted, and reported by whoever counts: while NATS is away there are many.
            tracing::debug!(messages = expired, "messages were too old to be sent to NATS");
            reported.unsent(expired);
        }
        match operation {
            Some(Operation::Publish(message)) => {
                if let Err(error) = publish(&client, message).await {
                    tracing::warn!(%error, "a message was not sent to NATS");
                    reported.unsent(1);
                }
            }
            Some(Operation::Subscribe(subscription)) => {
                // Only when the client has ended, which it does not do by itself.
                if let Err(error) = subscribe(&client, &intake, subscription.clone()).await {
                    tracing::error!(%error, subject = %subscription.subject, "the NATS subscription failed");
                }
            }
            Some(Operation::Unsubscribe(subscription)) => {
                if let Some(mut subscriber) = intake.remove(&subscription) {
                    _ = subscriber.unsubscribe().await;
                }
            }
            None => _ = tokio::time::timeout(TICK, queue.changed()).await,
        }
    }
}

async fn subscribe(
    client: &Client,
    intake: &Intake,
    subscription: Subscription,
) -> Result<(), SubscribeError> {
    let subject = subscription.subject.as_str().to_owned();
    match subscription.group.clone() {
        Some(group) => {
            intake.subscribe(subscription, client.queue_subscribe(subject, group.to_string())).await
        }
        None => intake.subscribe(subscription, client.subscribe(subject)).await,
    }
}

async fn publish(client: &Client, message: Publish) -> Result<(), async_nats::client::PublishError> {
    let Publish { subject, reply, body, trace, .. } = message;
    let subject = subject.as_str().to_owned();
    let reply = reply.map(|reply| reply.as_str().to_owned());
    let headers = trace.map(|trace| header::write(&trace));
    match (reply, headers) {
        (Some(reply), None) => client.publish_with_reply(subject, reply, body).await,
        (Some(reply), Some(headers)) => {
            client.publish_with_reply_and_headers(subject, reply, headers, body).await
        }
        (None, None) => client.publish(subject, body).await,
        (None, Some(headers)) => client.publish_with_headers(subject, headers, body).await,
    }
}
