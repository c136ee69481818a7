//! What delivery and the protocol know, as what nodes say, and back.

use std::sync::Arc;

use socketio_cluster::message::{self, Encoding, Payload};

use crate::delivery::{RoomName, Target};
use crate::protocol::{Args, DecodeError, Parser};

pub(crate) fn to_payload(args: &Args) -> Payload {
    let encoding = match args.parser() {
        Parser::Json => Encoding::Json,
        Parser::MsgPack => Encoding::MsgPack,
    };
    Payload { encoding, body: args.to_array(), attachments: args.attachments().to_vec() }
}

pub(crate) fn from_payload(payload: Payload) -> Result<Args, DecodeError> {
    let parser = match payload.encoding {
        Encoding::Json => Parser::Json,
        Encoding::MsgPack => Parser::MsgPack,
    };
    Args::from_array(parser, payload.body, payload.attachments)
}

pub(crate) fn to_target(namespace: &Arc<str>, target: &Target) -> message::Target {
    message::Target {
        namespace: namespace.clone(),
        rooms: target.rooms.to_vec(),
        except: target.except.to_vec(),
    }
}

pub(crate) fn from_target(target: &message::Target) -> Target {
    let rooms = |names: &[RoomName]| names.iter().cloned().collect();
    Target { rooms: rooms(&target.rooms), except: rooms(&target.except) }
}
