//! The upgrade of a polling session to a websocket: probe, switch, or neither.

use std::sync::atomic::Ordering;

use actix::prelude::*;
use bytes::Bytes;

use super::super::frame::{OpCode, WsEvent, write_frame};
use super::super::link::Link;
use super::{Connection, Phase};

/// Websocket pings that a websocket may send before it has taken over. Their answers go past the outbox and its bound.
const MAX_PROBE_PINGS: u32 = 64;

/// A websocket that wants to take over.
pub(super) struct Upgrade {
    pub(super) link: Link,
    pub(super) is_probed: bool,
    pub(super) pings: u32,
    pub(super) timeout: SpawnHandle,
}
impl Connection {
    pub(super) fn begin_upgrade(&mut self, link: Link, ctx: &mut Context<Self>) {
        if self.main.is_some() || self.upgrade().is_some() || self.phase != Phase::Open {
            link.close(1008);
            return;
        }
        let timeout = ctx.run_later(self.shared.engine.config.upgrade_timeout, |connection, ctx| {
            tracing::debug!(sid = connection.shared.short_sid(), "upgrade timeout");
            connection.abandon_upgrade(ctx);
        });
        let upgrade = Upgrade { link, is_probed: false, pings: 0, timeout };
        self.polling.get_or_insert_default().upgrade = Some(upgrade);
    }

    /// The websocket goes, polling goes on and may be upgraded again.
    pub(super) fn abandon_upgrade(&mut self, ctx: &mut Context<Self>) {
        if let Some(upgrade) = self.take_upgrade() {
            ctx.cancel_future(upgrade.timeout);
            upgrade.link.close(1000);
            self.shared.outbox.set_probing(false);
            self.shared.is_upgrading.store(false, Ordering::Release);
        }
    }

    pub(super) fn on_probe_event(&mut self, event: WsEvent<'_>, ctx: &mut Context<Self>) {
        let upgrade = self.polling.as_mut().and_then(|polling| polling.upgrade.as_mut());
        let Some(upgrade) = upgrade else { return };
        match event {
            WsEvent::Text("2probe") if !upgrade.is_probed => {
                upgrade.is_probed = true;
                upgrade.link.send_direct(Bytes::from_static(b"\x81\x063probe"));
                // Every poll is answered from now on, the waiting one at once, so that the client can stop polling.
                self.shared.outbox.set_probing(true);
            }
            WsEvent::Text("5") if upgrade.is_probed => self.finish_upgrade(ctx),
            WsEvent::Ping(data) if upgrade.pings < MAX_PROBE_PINGS => {
                upgrade.pings += 1;
                let mut frame = Vec::with_capacity(data.len() + 2);
                write_frame(&mut frame, OpCode::Pong, data);
                upgrade.link.send_direct(frame.into());
            }
            WsEvent::Pong => {}
            _ => {
                tracing::debug!(sid = self.shared.short_sid(), "abandoned or wrong probe");
                self.abandon_upgrade(ctx);
            }
        }
    }

    pub(super) fn finish_upgrade(&mut self, ctx: &mut Context<Self>) {
        let Some(upgrade) = self.take_upgrade() else { return };
        ctx.cancel_future(upgrade.timeout);
        self.shared.is_websocket.store(true, Ordering::Release);
        self.shared.engine.counters.here().upgrades.add(1);
        upgrade.link.attach(&self.shared.outbox);
        if let Link::Embedded(link) = &upgrade.link {
            link.set_paused(self.is_paused());
        }
        self.main = Some(upgrade.link);
        tracing::debug!(sid = self.shared.short_sid(), "upgraded to websocket");
    }
}
