//! What admins do: emit, make sockets join and leave rooms, disconnect them, on all nodes.
//!
//! Registered only where that is allowed. Names and sizes have the limits of messages over NATS (PROTOCOL.md). The UI waits for no
//! acknowledgement; who asks for one gets `{"ok": sockets}` or `{"error": "…"}`.

use std::future::Future;
use std::sync::Arc;

use actix_socketio::cluster::external::{Action, Event, External, ExternalLimits};
use actix_socketio::cluster::message::Target;
use actix_socketio::{Args, BroadcastOperator, Reached, Reply, Socket};
use serde_json::{Value, json};

use super::Admin;

type Answer = Result<Value, String>;

/// Listens to the commands.
pub(super) fn register(admin: &Arc<Admin>) {
    on(admin, "emit", |admin, args| async move {
        let (target, event) = (admin.target(&args, 1)?, text(&args, 2)?);
        let data = args.skip(3);
        // As strict with the name as with one from NATS.
        let empty = Event { name: event.clone(), data: Vec::new(), attachments: Vec::new(), volatile: false };
        let sockets = admin.sockets(target, Action::Emit(empty))?;
        sockets.emit(&event, &data).await.map_err(|error| error.to_string())?;
        Ok(Value::Null)
    });
    on(admin, "join", |admin, args| async move {
        let (target, room) = (admin.target(&args, 2)?, text(&args, 1)?);
        let sockets = admin.sockets(target, Action::Join(vec![room.as_str().into()]))?;
        Ok(reached(&sockets.sockets_join(&room).await))
    });
    on(admin, "leave", |admin, args| async move {
        let (target, room) = (admin.target(&args, 2)?, text(&args, 1)?);
        let sockets = admin.sockets(target, Action::Leave(vec![room.as_str().into()]))?;
        Ok(reached(&sockets.sockets_leave(&room).await))
    });
    on(admin, "_disconnect", |admin, args| async move {
        let target = admin.target(&args, 2)?;
        let close = args.get(1).and_then(|close| close.deserialize().ok()).unwrap_or_default();
        let sockets = admin.sockets(target, Action::Disconnect { close })?;
        Ok(reached(&sockets.disconnect_sockets(close).await))
    });
}

fn on<F, R>(admin: &Arc<Admin>, command: &'static str, run: F)
where
    F: Fn(Arc<Admin>, Args) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Answer> + 'static,
{
    let this = admin.clone();
    let _ = admin.namespace.clone().on(command, move |socket: Socket, args: Args| {
        let (this, run) = (this.clone(), run.clone());
        async move {
            let answer = run(this, args).await;
            let admin = socket.id();
            let answer = match answer {
                Ok(answer) => {
                    tracing::info!(admin, command, %answer, "done for an admin");
                    json!({ "ok": answer })
                }
                Err(error) => {
                    tracing::warn!(admin, command, error, "not done for an admin");
                    json!({ "error": error })
                }
            };
            Reply(answer)
        }
    });
}

impl Admin {
    /// Whom a command is about: its first argument is a namespace, the one at that place a room, if there is one.
    fn target(&self, args: &Args, room_at: usize) -> Result<Target, String> {
        let room: Option<String> = match args.get(room_at) {
            Some(room) => room.deserialize().map_err(|_| "invalid arguments".to_owned())?,
            None => None,
        };
        let rooms = room.filter(|room| !room.is_empty()).map(|room| room.as_str().into());
        Ok(Target {
            namespace: text(args, 0)?.into(),
            rooms: rooms.into_iter().collect(),
            except: Vec::new(),
        })
    }

    fn sockets(&self, target: Target, action: Action) -> Result<BroadcastOperator, String> {
        let external = External { target, action };
        external.check(&ExternalLimits::default()).map_err(|error| error.to_string())?;
        let Target { namespace, rooms, .. } = external.target;
        let rooms: Vec<_> = rooms.iter().map(ToString::to_string).collect();
        Ok(self.io.reach(&namespace).to(rooms))
    }
}

fn text(args: &Args, index: usize) -> Result<String, String> {
    let argument: Option<Args> = args.get(index);
    argument.and_then(|argument| argument.deserialize().ok()).ok_or_else(|| "invalid arguments".to_owned())
}

fn reached(reached: &Reached) -> Value {
    json!({ "sockets": reached.sockets, "missing_nodes": reached.missing_nodes })
}
