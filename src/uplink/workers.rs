//! Clients' events on their way to workers: requests on the bus, which one worker answers.

use bytes::Bytes;
use socketio_cluster::bus::{Publish, PublishError};
use socketio_cluster::request::PendingReply;
use socketio_cluster::subject::NameTooLong;
use socketio_cluster::trace::TraceContext;

use super::Uplink;

/// Why an event was not handed out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandOutError {
    #[error(transparent)]
    Name(#[from] NameTooLong),
    #[error(transparent)]
    Bus(#[from] PublishError),
    /// An answer is wanted, and could not come.
    #[error("the broker is away")]
    Away,
}

impl Uplink {
    /// Publishes what a worker is to do; with `wants_answer`, the answer can be waited for.
    pub(crate) fn hand_out(
        &self,
        namespace: &str,
        event: &str,
        body: Bytes,
        wants_answer: bool,
        trace: Option<TraceContext>,
    ) -> Result<Option<PendingReply>, HandOutError> {
        let subject = self.subjects.event(namespace, event)?;
        let limit = self.config.max_message.min(self.bus.max_payload());
        if body.len() > limit {
            return Err(PublishError::TooLarge { size: body.len(), limit }.into());
        }
        let message = Publish::new(subject, body).traced(trace);
        if !wants_answer {
            self.bus.publish(message)?;
            return Ok(None);
        }
        if !self.bus.is_connected() {
            return Err(HandOutError::Away);
        }
        Ok(Some(self.bus.request(message)?))
    }
}
