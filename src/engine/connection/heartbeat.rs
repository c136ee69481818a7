//! Time: pings, the expiry of the session, and the age of what a client does not read.

use std::time::{Duration, Instant};

use actix::prelude::*;

use super::super::link::Link;
use super::super::out::Out;
use super::super::packet::Revision;
use super::{Connection, Phase};
use crate::disconnect_reason::DisconnectReason;

impl Connection {
    /// The client gave a sign of life.
    pub(super) fn alive(&mut self, now: Instant) {
        let config = &self.shared.engine.config;
        self.next_ping = now + config.ping_interval;
        self.expires_at = self.next_ping + config.ping_timeout;
        if !self.is_paused() {
            self.shared.set_expiry(Some(self.expires_at));
        }
    }

    /// Arms the timer for whatever comes first.
    pub(super) fn arm(&mut self, ctx: &mut Context<Self>) {
        let mut at = self.expires_at;
        if self.shared.outbox.revision == Revision::V4 {
            // After the ping is out, the next moment to look is the one at which a pong would make it due again.
            at = at.min(self.next_ping);
        }
        self.arm_at(at, ctx);
    }

    pub(super) fn on_timer(&mut self, ctx: &mut Context<Self>) {
        if self.phase != Phase::Open {
            return;
        }
        let now = Instant::now();
        if self.handler.deadline().is_some_and(|deadline| deadline <= now)
            && let Err(reason) = self.handler.on_deadline()
        {
            self.close(reason, false, ctx);
            return;
        }
        if self.is_paused() {
            // Not read, so not heard: its clock stands still. The client's own does not: it waits for pings.
            if self.shared.outbox.revision == Revision::V4 && now >= self.next_ping {
                self.shared.push(Out::Ping, false, now);
            }
            self.alive(now);
        } else if now >= self.expires_at {
            self.close(DisconnectReason::PingTimeout, true, ctx);
            return;
        }
        if self.shared.outbox.age(now) > self.shared.engine.config.outbox_age {
            self.shared.close_slow();
        }
        if self.shared.outbox.revision == Revision::V4 && now >= self.next_ping {
            self.shared.push(Out::Ping, false, now);
            // Look again when the answer is overdue. A pong moves both.
            self.next_ping = self.expires_at + self.shared.engine.config.ping_interval;
            let soon = now + self.shared.engine.config.ping_interval;
            if soon < self.expires_at {
                // A pong may come and the next ping be due before this one would have been overdue.
                self.arm_at(soon, ctx);
                return;
            }
        }
        self.arm(ctx);
    }

    /// Arms the timer for `at`, or for the deadline of the layer above if that comes first.
    pub(super) fn arm_at(&mut self, at: Instant, ctx: &mut Context<Self>) {
        let at = self.handler.deadline().map_or(at, |deadline| at.min(deadline));
        self.timer_at = Some(at);
        ctx.run_later(at.saturating_duration_since(Instant::now()), move |connection, ctx| {
            // A timer that was armed for a later moment than a newer one has nothing to do.
            if connection.timer_at == Some(at) {
                connection.on_timer(ctx);
            }
        });
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
