//! The end of a server: its clients go, then it leaves the cluster.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::config::DrainOptions;
use crate::disconnect_reason::DisconnectReason;
use crate::server::SocketIo;

/// How long the bus may take to send what waits at the end.
const GOODBYE: Duration = Duration::from_secs(1);
/// How often it is looked whether the last handlers have ended.
const LOOK: Duration = Duration::from_millis(10);

impl SocketIo {
    /// [Drains](Self::drain) without a wait, within the default ten seconds: for a server that nothing stands before.
    pub async fn close(&self) {
        self.drain(DrainOptions::default()).await;
    }

    /// Lets all clients go, for ever. New sessions are refused at once (status 503); after [`wait`](DrainOptions::wait) the open ones
    /// are closed (`server shutting down`) over [`spread`](DrainOptions::spread). Transports are closed, never namespaces: the
    /// clients come back by themselves, to another node. A server without clients waits for nothing.
    ///
    /// Returns when all are gone and their disconnect handlers are done, at the latest after [`deadline`](DrainOptions::deadline)
    /// and the second that the bus may take, and this node has left the cluster: nothing is sent to the other nodes any more.
    pub async fn drain(&self, options: DrainOptions) {
        let begin = Instant::now();
        let end = begin + options.deadline;
        let left = || end.saturating_duration_since(Instant::now());
        let engine = self.engine();
        engine.refuse_sessions();
        engine.unused(end.min(begin + options.wait)).await;
        engine.close(DisconnectReason::ServerShuttingDown, options.spread.min(left()), left()).await;
        if let Some(uplink) = self.uplink() {
            uplink.say_goodbye();
        }
        // The handlers of the sockets that went may still be at work: they end with the threads they run on.
        while self.namespaces().iter().any(|namespace| !namespace.0.is_unused()) && Instant::now() < end {
            sleep(LOOK).await;
        }
        if let Some(uplink) = self.uplink() {
            uplink.end(GOODBYE).await;
        }
    }

    /// Whether it is draining, or has: it takes no more clients.
    pub fn is_draining(&self) -> bool {
        self.engine().is_draining()
    }
}
