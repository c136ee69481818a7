//! What the server tells of its clients.

use std::fmt;

use actix_socketio::{Namespace, SocketIo, Stats, TransportStats};

use super::{Sheet, Source};

/// The label of all namespaces that the configuration does not name: those of patterns.
const OTHERS: &str = "other";

/// See the module's documentation.
pub(super) struct Server {
    io: SocketIo,
    namespaces: Vec<String>,
}

impl Server {
    pub(super) fn new<'a>(io: &SocketIo, namespaces: impl IntoIterator<Item = &'a String>) -> Self {
        // It is always there.
        let mut names = vec!["/".to_owned()];
        names.extend(namespaces.into_iter().filter(|name| !name.contains('{') && *name != "/").cloned());
        Self { io: io.clone(), namespaces: names }
    }

    fn transports(&self, sheet: &mut Sheet<'_>, stats: &Stats) -> fmt::Result {
        let each = |value: fn(&TransportStats) -> u64| {
            [(["polling"], value(&stats.polling)), (["websocket"], value(&stats.websocket))]
        };
        let label = ["transport"];
        sheet.gauge("socketio_connections", "Open connections", label, each(|stats| stats.connections))?;
        let waiting = each(|stats| stats.outbox_bytes);
        sheet.gauge("socketio_outbox_bytes", "Bytes that clients have not read yet", label, waiting)?;
        let handshakes = each(|stats| stats.handshakes);
        sheet.counter("socketio_handshakes", "Connections that began", label, handshakes)?;
        let packets = each(|stats| stats.packets_received);
        sheet.counter("socketio_packets_received", "Engine.IO packets of clients", label, packets)?;
        let bytes = each(|stats| stats.bytes_received);
        sheet.counter("socketio_bytes_received", "Bytes of clients", label, bytes)?;
        let packets = each(|stats| stats.packets_sent);
        sheet.counter("socketio_packets_sent", "Engine.IO packets to clients", label, packets)?;
        let bytes = each(|stats| stats.bytes_sent);
        sheet.counter("socketio_bytes_sent", "Bytes to clients", label, bytes)?;
        let upgrades = [([], stats.upgrades)];
        sheet.counter("socketio_upgrades", "Connections that went over to a websocket", [], upgrades)
    }

    fn ends(sheet: &mut Sheet<'_>, stats: &Stats) -> fmt::Result {
        let refusals = stats.refusals.iter().map(|(why, count)| ([*why], *count));
        let help = "Requests to the endpoint that were refused";
        sheet.counter("socketio_refused_requests", help, ["reason"], refusals)?;
        let closes = stats.closes.iter().map(|(reason, count)| ([reason.as_str()], *count));
        sheet.counter("socketio_closed_connections", "Connections that ended", ["reason"], closes)?;
        let slow = [([], stats.slow_clients)];
        sheet.counter(
            "socketio_slow_clients",
            "Connections closed because their client read too slowly",
            [],
            slow,
        )
    }

    fn namespaces(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let label = |namespace: &Namespace| {
            self.namespaces.iter().position(|name| name == namespace.name()).unwrap_or(self.namespaces.len())
        };
        let mut totals = vec![(0, 0); self.namespaces.len() + 1];
        for namespace in self.io.namespaces() {
            let (sockets, rooms) = &mut totals[label(&namespace)];
            *sockets += namespace.socket_count();
            *rooms += namespace.room_count_here();
        }
        let names = || self.namespaces.iter().map(String::as_str).chain([OTHERS]);
        let sockets = names().zip(&totals).map(|(name, (sockets, _))| ([name], *sockets));
        sheet.gauge("socketio_sockets", "Connected sockets", ["namespace"], sockets)?;
        let rooms = names().zip(&totals).map(|(name, (_, rooms))| ([name], *rooms));
        sheet.gauge("socketio_rooms", "Rooms with members on this node", ["namespace"], rooms)
    }

    fn events(sheet: &mut Sheet<'_>, stats: &Stats) -> fmt::Result {
        let connects = [(["accepted"], stats.connects), (["refused"], stats.refused_connects)];
        sheet.counter("socketio_connects", "Sockets that asked for a namespace", ["outcome"], connects)?;
        sheet.counter("socketio_events", "Events of clients", [], [([], stats.events)])?;
        sheet.counter("socketio_acks_sent", "Acknowledgements to clients", [], [([], stats.acks_sent)])?;
        let acks = &stats.acks;
        let buckets = acks.latencies.iter();
        let buckets = buckets.map(|(bound, count)| (bound.map(|bound| bound.as_secs_f64()), *count));
        let help = "How long clients took to acknowledge events of this node";
        sheet.histogram("socketio_ack_latency_seconds", help, acks.total_latency.as_secs_f64(), buckets)?;
        let missed = [(["timeout"], acks.timed_out), (["disconnected"], acks.failed)];
        sheet.counter("socketio_acks_missed", "Acknowledgements that did not come", ["reason"], missed)?;
        let broadcasts = [(["here"], stats.broadcasts), (["cluster"], stats.broadcasts_received)];
        let help = "Broadcasts that were delivered on this node";
        sheet.counter("socketio_broadcasts", help, ["from"], broadcasts)?;
        let help = "Messages of broadcasts to single clients";
        sheet.counter("socketio_deliveries", help, [], [([], stats.deliveries)])
    }
}

impl Source for Server {
    fn tell(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let stats = self.io.stats();
        self.transports(sheet, &stats)?;
        Self::ends(sheet, &stats)?;
        self.namespaces(sheet)?;
        Self::events(sheet, &stats)?;
        let is_draining = u64::from(self.io.is_draining());
        sheet.gauge("socketio_draining", "1 while the node lets its clients go", [], [([], is_draining)])
    }
}
