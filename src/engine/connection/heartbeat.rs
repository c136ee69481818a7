//! Time: pings, the expiry of the session, and the age of what a client does not read.

use std::time::Duration;

use actix::prelude::*;

use super::super::clock::{self, Alarm};
use super::super::link::Link;
use super::super::moment::Moment;
use super::super::out::Out;
use super::super::packet::Revision;
use super::{Connection, Phase};
use crate::disconnect_reason::DisconnectReason;

impl Connection {
    /// The client gave a sign of life.
    pub(super) fn alive(&mut self, now: Moment) {
        self.alive_at = now;
        self.is_pinged = false;
        if !self.is_paused() {
            self.shared.set_expiry(Some(self.expires_at()));
        }
    }

    /// When the client is given up, unless it gives a sign of life.
    fn expires_at(&self) -> Moment {
        let config = &self.shared.engine.config;
        self.alive_at + (config.ping_interval + config.ping_timeout)
    }

    /// Revision 4: when the next ping is due. After one is out, the next moment to look is the one at which a pong would make it
    /// due again.
    fn next_ping(&self) -> Moment {
        let interval = self.shared.engine.config.ping_interval;
        if self.is_pinged { self.expires_at() + interval } else { self.alive_at + interval }
    }

    /// Sets the alarm for whatever comes first.
    pub(super) fn arm(&mut self) {
        let mut at = self.expires_at();
        if self.shared.outbox.revision == Revision::V4 {
            at = at.min(self.next_ping());
        }
        self.arm_at(at);
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>) {
        if self.phase != Phase::Open {
            return;
        }
        let now = Moment::now();
        if self.handler.deadline().is_some_and(|deadline| Moment::from(deadline) <= now)
            && let Err(reason) = self.handler.on_deadline()
        {
            self.close(reason, false, ctx);
            return;
        }
        let is_ping_due = self.shared.outbox.revision == Revision::V4 && now >= self.next_ping();
        if self.is_paused() {
            // Not read, so not heard: its clock stands still. The client's own does not: it waits for pings.
            if is_ping_due {
                self.shared.push(Out::Ping, false, now);
            }
            self.alive(now);
        } else if now >= self.expires_at() {
            self.close(DisconnectReason::PingTimeout, true, ctx);
            return;
        }
        if self.shared.outbox.age(now) > self.shared.engine.config.outbox_age {
            self.shared.close_slow();
        }
        if is_ping_due && !self.is_paused() {
            self.shared.push(Out::Ping, false, now);
            self.is_pinged = true;
            let soon = now + self.shared.engine.config.ping_interval;
            if soon < self.expires_at() {
                // A pong may come and the next ping be due before this one would have been overdue.
                self.arm_at(soon);
                return;
            }
        }
        self.arm();
    }

    /// Sets the alarm for `at`, or for the deadline of the layer above if that comes first.
    pub(super) fn arm_at(&mut self, at: Moment) {
        let at = self.handler.deadline().map_or(at, |deadline| at.min(deadline.into()));
        self.disarm();
        self.alarm = Some(clock::set(&self.shared, at));
    }

    pub(super) fn disarm(&mut self) {
        if let Some(alarm) = self.alarm.take() {
            clock::cancel(alarm);
        }
    }

    /// An alarm went off.
    pub(super) fn on_alarm(&mut self, alarm: Alarm, ctx: &mut Context<Self>) {
        // One that was set anew meanwhile has nothing to say.
        if self.alarm == Some(alarm) {
            self.alarm = None;
            self.on_timer(ctx);
        }
    }

    /// The native socket cannot write: looks after the age of what waits.
    pub(in crate::engine) fn watch_age(&mut self, ctx: &mut Context<Self>) {
        let limit = self.shared.engine.config.outbox_age;
        ctx.run_later(limit + Duration::from_millis(1), move |connection, ctx| {
            let Some(Link::Native(socket)) = &connection.main else { return };
            let Some(since) = socket.blocked_on() else {
                socket.stop_watching();
                return;
            };
            if since.elapsed() > limit {
                connection.shared.close_slow();
            } else {
                connection.watch_age(ctx);
            }
        });
    }
}
