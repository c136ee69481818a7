//! Webhooks: clients' events, and the life of connections and rooms, told to HTTP servers.
//!
//! A record is made where something happens and put into the queue of each webhook that wants it; nothing waits for a server. Each
//! [`Webhook`] has a [`Sender`]. What a server has not taken is posted again, so it may come twice, never out of order (docs/webhooks.md).

mod backoff;
mod options;
mod queue;
mod record;
mod sender;
mod settings;
mod signature;
mod webhook;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_socketio::SocketIo;

pub(in crate::node) use self::options::WebhookOptions;
pub(in crate::node) use self::queue::Counters;
use self::sender::Sender;
use self::settings::Settings;
use self::webhook::Webhook;
use super::config::SecretError;
use super::namespaces::Place;
use super::reload::Reload;
use super::telemetry::Telemetry;

/// The webhooks of a node. Cheap to clone.
#[derive(Clone)]
pub(in crate::node) struct Webhooks(Arc<Inner>);

struct Inner {
    node: String,
    telemetry: Telemetry,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Where they listen.
    places: Vec<Place>,
    webhooks: Vec<Arc<Webhook>>,
    /// Those that are configured no more, while their servers have yet to be told something.
    leaving: Vec<Arc<Webhook>>,
}

impl Webhooks {
    /// Reads the keys and begins to post. On the node's main thread.
    pub(in crate::node) fn start(
        io: &SocketIo,
        options: &[WebhookOptions],
        telemetry: &Telemetry,
        reload: &Reload,
    ) -> Result<Self, SecretError> {
        let (node, telemetry) = (io.node_id().to_owned(), telemetry.clone());
        let webhooks = Self(Arc::new(Inner { node, telemetry, state: Mutex::default() }));
        webhooks.replace(read(options)?);
        let this = webhooks.clone();
        reload.part(move |config| {
            let settings = read(&config.webhooks).map_err(|error| format!("webhooks: {error}"))?;
            let this = this.clone();
            Ok(Box::new(move || this.replace(settings)))
        });
        Ok(webhooks)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts these in force: one that has the name of another goes on with what waits for that.
    fn replace(&self, all: Vec<Settings>) {
        let mut state = self.state();
        let mut before = std::mem::take(&mut state.webhooks);
        for settings in all {
            let name = &settings.options.name;
            let known = before.iter().position(|webhook| webhook.settings.load().options.name == *name);
            let webhook = match known {
                Some(at) => {
                    let webhook = before.remove(at);
                    webhook.replace(settings);
                    webhook
                }
                None => self.begin(settings),
            };
            for (number, place) in state.places.iter().enumerate() {
                webhook.register(number, place);
            }
            state.webhooks.push(webhook);
        }
        before.iter().for_each(|webhook| webhook.end());
        state.leaving.extend(before);
        state.leaving.retain(|webhook| webhook.queue.len() > 0);
    }

    fn begin(&self, settings: Settings) -> Arc<Webhook> {
        let webhook = Arc::new(Webhook::new(settings));
        let (node, telemetry) = (self.0.node.clone(), self.0.telemetry.clone());
        actix_web::rt::spawn(Sender { webhook: webhook.clone(), node, telemetry }.run());
        webhook
    }

    /// Listens to what happens in a namespace.
    pub(in crate::node) fn register(&self, place: &Place) {
        let mut state = self.state();
        let number = state.places.len();
        state.places.push(place.clone());
        for webhook in &state.webhooks {
            webhook.register(number, place);
        }
    }

    /// What each has done: its name, how much waits, and the counters.
    pub(in crate::node) fn counters(&self) -> Vec<(String, usize, Arc<Counters>)> {
        let state = self.state();
        let of = |webhook: &Arc<Webhook>| {
            let name = webhook.settings.load().options.name.clone();
            (name, webhook.queue.len(), webhook.counters.clone())
        };
        state.webhooks.iter().map(of).collect()
    }

    /// Takes nothing more and waits until everything is posted, at most so long.
    pub(in crate::node) async fn finish(&self, deadline: Duration) {
        let all: Vec<_> = {
            let state = self.state();
            state.webhooks.iter().chain(&state.leaving).cloned().collect()
        };
        all.iter().for_each(|webhook| webhook.queue.close());
        let waiting = || all.iter().map(|webhook| webhook.queue.len()).sum::<usize>();
        let posted = async {
            while waiting() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(deadline, posted).await.is_err() {
            tracing::warn!(waiting = waiting(), "the node ends before everything was told to its webhooks");
        }
        for (webhook, waiting, counters) in self.counters() {
            tracing::info!(webhook, waiting, ?counters, "what the webhook was told");
        }
    }
}

fn read(options: &[WebhookOptions]) -> Result<Vec<Settings>, SecretError> {
    options.iter().map(Settings::read).collect()
}
