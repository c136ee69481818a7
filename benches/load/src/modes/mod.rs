//! One file a mode: what the clients do, and what is counted.

mod broadcast;
mod churn;
mod echo;
mod idle;
mod join;
mod nats;
mod polling;
mod reconnect;
mod room;
mod stalled;
mod start;
mod storms;

use std::io;

use crate::options::Options;
use crate::report::Report;

/// Runs the mode that was asked for.
pub(crate) fn run(options: &Options) -> io::Result<Report> {
    match &*options.mode {
        "broadcast" => broadcast::run(options),
        "churn" => churn::run(options),
        "echo" => echo::run(options),
        "idle" => idle::run(options),
        "join" => join::run(options),
        "nats" => nats::run(options),
        "polling" => polling::run(options),
        "reconnect" => reconnect::run(options),
        "stalled" => stalled::run(options),
        "storms" => storms::run(options),
        "start" => start::run(options),
        _ => Err(io::Error::other("there is no such mode")),
    }
}
