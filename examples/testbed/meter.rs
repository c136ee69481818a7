//! What the laboratory asks the server about itself: how late its threads were, and what it holds. `GET /lab`, where `LAB` is set;
//! `GET /lab?reset` also begins the lateness anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_socketio::SocketIo;
use actix_web::{HttpRequest, HttpResponse, web};

/// How often each thread looks at the clock.
const PERIOD: Duration = Duration::from_millis(5);

/// The worst of all threads since the last reset, in microseconds.
#[derive(Default)]
pub(crate) struct Meter {
    /// How much later than due a task ran: what a client would have waited.
    late: AtomicU64,
    /// The same without the time in which the thread was ready and the kernel let others run.
    busy: AtomicU64,
}

impl Meter {
    /// Has this thread measured, and serves what all of them measured.
    pub(crate) fn configure(self: &Arc<Self>, io: &SocketIo, config: &mut web::ServiceConfig) {
        let meter = self.clone();
        actix_web::rt::spawn(async move {
            loop {
                let (due, waited) = (Instant::now() + PERIOD, waited());
                tokio::time::sleep_until(due.into()).await;
                let late = due.elapsed();
                let busy = late.saturating_sub(self::waited().saturating_sub(waited));
                meter.late.fetch_max(micros(late), Ordering::Relaxed);
                meter.busy.fetch_max(micros(busy), Ordering::Relaxed);
            }
        });
        let (meter, io) = (self.clone(), io.clone());
        let answer = move |request: HttpRequest| {
            let read = |value: &AtomicU64| match request.query_string() {
                "reset" => value.swap(0, Ordering::Relaxed),
                _ => value.load(Ordering::Relaxed),
            };
            let namespaces = io.namespaces();
            let answer = serde_json::json!({
                "late_us": read(&meter.late),
                "busy_us": read(&meter.busy),
                "connections": io.connection_count(),
                "sockets": namespaces.iter().map(|namespace| namespace.socket_count()).sum::<usize>(),
                "rooms": namespaces.iter().map(|namespace| namespace.room_names_here().len()).sum::<usize>(),
            });
            std::future::ready(HttpResponse::Ok().json(answer))
        };
        config.route("/lab", web::get().to(answer));
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// How long this thread was ready without running, so far. Zero where the kernel does not say.
fn waited() -> Duration {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(line.split(' ').nth(1).and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}
