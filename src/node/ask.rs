//! The commands that ask a running cluster for something: `emit`, `join`, `leave`, `disconnect`, `close-room`, `nodes`.
//!
//! They are external processes: what they do, any NATS client can do (PROTOCOL.md).

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use actix_socketio::cluster::Emitter;
use actix_socketio::cluster::emitter::{ConfirmError, Confirmed};
use actix_socketio::cluster::external::{Member, Receipt, Reply};
use actix_socketio::cluster::nats::ConnectError;
use actix_socketio::cluster::subject::SubjectsError;
use clap::{Args, Subcommand};
use serde_json::value::RawValue;

use super::command_line::ConfigFile;
use super::config::{self, Problems, SecretError};
use super::nats::NatsArgs;

/// Some nodes did not say that they did it.
const NOT_CONFIRMED: u8 = 3;

/// Why nothing was done, as far as is known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("no NATS server: --nats or SOCKETIO_NATS names it")]
    NoServer,
    #[error(transparent)]
    Config(#[from] Problems),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("cluster.prefix: {0}")]
    Prefix(#[from] SubjectsError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{}: {source}", .file.display())]
    Attachment { file: PathBuf, source: std::io::Error },
    #[error("{source}{}", hint(.source))]
    Confirm {
        #[from]
        source: ConfirmError,
    },
}

fn hint(error: &ConfirmError) -> &'static str {
    match error {
        ConfirmError::NoNodes => " (is --prefix the one of the cluster?)",
        ConfirmError::TimedOut => " (it may have been done; is this login permitted to emit?)",
        _ => "",
    }
}

/// Things that can be asked of a cluster. Each prints its answer as JSON.
#[derive(Debug, Subcommand)]
pub(super) enum Ask {
    /// Send an event to sockets: --room 'my room' 'my event' '{"foo":"bar"}'
    Emit {
        #[command(flatten)]
        via: Via,
        #[command(flatten)]
        whom: Whom,
        /// The event may be dropped for sockets that are not ready
        #[arg(long)]
        volatile: bool,
        /// A file as an attachment: {"_placeholder":true,"num":0} in DATA stands for the first
        #[arg(long = "attach", value_name = "FILE")]
        attachments: Vec<PathBuf>,
        /// The event's name
        event: String,
        /// The arguments, each as JSON
        #[arg(value_parser = json, allow_negative_numbers = true)]
        data: Vec<Box<RawValue>>,
    },
    /// Make sockets join rooms
    Join {
        #[command(flatten)]
        via: Via,
        #[command(flatten)]
        whom: Whom,
        /// The rooms to join
        #[arg(required = true)]
        rooms: Vec<String>,
    },
    /// Make sockets leave rooms
    Leave {
        #[command(flatten)]
        via: Via,
        #[command(flatten)]
        whom: Whom,
        /// The rooms to leave
        #[arg(required = true)]
        rooms: Vec<String>,
    },
    /// Disconnect sockets from their namespace
    Disconnect {
        #[command(flatten)]
        via: Via,
        #[command(flatten)]
        whom: Whom,
        /// All sockets of the namespace
        #[arg(long, required_unless_present = "to", conflicts_with = "to")]
        all: bool,
        /// End their connections, too
        #[arg(long)]
        close: bool,
    },
    /// Make every member leave a room
    CloseRoom {
        #[command(flatten)]
        via: Via,
        /// With its slash
        #[arg(long, default_value = "/")]
        namespace: String,
        /// The room
        room: String,
    },
    /// List the nodes of the cluster
    Nodes {
        #[command(flatten)]
        via: Via,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
}

/// The way to the cluster.
#[derive(Args, Debug)]
pub(super) struct Via {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    nats: NatsArgs,
    /// What answers to this process begin with, where NATS permits nothing else
    #[arg(
        long,
        env = "SOCKETIO_NATS_INBOX",
        value_name = "PREFIX",
        default_value = "_INBOX_emitter",
        help_heading = "NATS"
    )]
    nats_inbox: String,
    /// How many seconds to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

/// The sockets that it is about.
#[derive(Args, Debug)]
pub(super) struct Whom {
    /// With its slash
    #[arg(long, default_value = "/")]
    namespace: String,
    /// The members of this room, too; a socket id is a room [default: all sockets of the namespace]
    #[arg(long = "room", value_name = "ROOM")]
    to: Vec<String>,
    /// Not the members of this room
    #[arg(long, value_name = "ROOM")]
    except: Vec<String>,
}

fn json(text: &str) -> Result<Box<RawValue>, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error} (a text has quotes: '\"hello\"')"))
}

impl Via {
    async fn connect(&self) -> Result<Emitter, AskError> {
        let config = config::load(self.file.path().as_deref(), &self.nats.flags())?.config;
        if !config.nats.is_given() {
            return Err(AskError::NoServer);
        }
        let options = config.nats.options("actix-socketio".to_owned())?.inbox_prefix(&*self.nats_inbox);
        Ok(Emitter::connect_under(options, config.cluster.subjects()?).await?)
    }

    fn confirmed(&self, emitter: &Emitter) -> Confirmed {
        emitter.confirmed(Duration::from_secs(self.timeout))
    }

    async fn to(&self, whom: &Whom) -> Result<Emitter, AskError> {
        let mut emitter = self.connect().await?.of(&whom.namespace);
        for room in &whom.to {
            emitter = emitter.to(room);
        }
        for room in &whom.except {
            emitter = emitter.except(room);
        }
        Ok(emitter)
    }
}

/// Asks, and prints the answer.
pub(super) async fn ask(ask: Ask) -> Result<ExitCode, AskError> {
    let receipt = match ask {
        Ask::Emit { via, whom, volatile, attachments, event, data } => {
            let mut files = Vec::new();
            for file in attachments {
                let bytes = std::fs::read(&file).map_err(|source| AskError::Attachment { file, source })?;
                files.push(bytes.into());
            }
            let mut emitter = via.to(&whom).await?;
            if volatile {
                emitter = emitter.volatile();
            }
            via.confirmed(&emitter).emit_binary(&event, &data, &files).await?
        }
        Ask::Join { via, whom, rooms } => {
            let rooms: Vec<_> = rooms.iter().map(String::as_str).collect();
            via.confirmed(&via.to(&whom).await?).join(&rooms).await?
        }
        Ask::Leave { via, whom, rooms } => {
            let rooms: Vec<_> = rooms.iter().map(String::as_str).collect();
            via.confirmed(&via.to(&whom).await?).leave(&rooms).await?
        }
        Ask::Disconnect { via, whom, all: _, close } => {
            via.confirmed(&via.to(&whom).await?).disconnect(close).await?
        }
        Ask::CloseRoom { via, namespace, room } => {
            via.confirmed(&via.connect().await?.of(&namespace)).close_room(&room).await?
        }
        Ask::Nodes { via, json } => {
            let nodes = via.confirmed(&via.connect().await?).nodes().await?;
            if json {
                print(&Reply::Members(nodes));
            } else {
                print_table(&nodes);
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    Ok(tell(receipt))
}

fn tell(receipt: Receipt) -> ExitCode {
    let missing: Vec<_> = receipt.missing.iter().map(ToString::to_string).collect();
    print(&Reply::Done(receipt));
    if missing.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("warning: not confirmed by the nodes {}", missing.join(", "));
    ExitCode::from(NOT_CONFIRMED)
}

fn print(reply: &Reply) {
    println!("{}", String::from_utf8_lossy(&reply.write()));
}

fn print_table(nodes: &[Member]) {
    let name = |node: &Member| node.name.escape_debug().to_string();
    let width = nodes.iter().map(|node| name(node).chars().count()).max().unwrap_or(0).max(4);
    println!("{:8}  {:width$}  {:>9}  {:>7}  {:>7}  {:>5}", "ID", "NAME", "UP", "SOCKETS", "ROOMS", "LOAD");
    for node in nodes {
        let since = SystemTime::UNIX_EPOCH + Duration::from_millis(node.since);
        let up = up(since.elapsed().unwrap_or_default());
        let state = if node.reachable { "" } else { "  out of reach" };
        println!(
            "{:8}  {:width$}  {up:>9}  {:>7}  {:>7}  {:>5.2}{state}",
            node.id.escape_debug().to_string(),
            name(node),
            node.sockets,
            node.rooms,
            node.load
        );
    }
}

fn up(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes:02}"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        for (seconds, text) in [(0, "0 s"), (119, "1 min"), (3660, "1 h 01"), (90_000, "1 d 1 h")] {
            assert_eq!(up(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn arguments_are_json_as_it_is() {
        assert_eq!(json(r#" {"b":1,"a":1.0} "#).expect("JSON").get(), r#"{"b":1,"a":1.0}"#);
        assert!(json("hello").expect_err("no JSON").contains("quotes"));
    }
}
