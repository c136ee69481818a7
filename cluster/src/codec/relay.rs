//! [`Relay`] ↔ bytes. Used by the codec only.

use super::DecodeError;
use super::reader::Reader;
use super::writer::Writer;
use crate::relay::{Answer, End, Event, Open, Part, Refusal, Relay, Request, Violation};

mod sender {
    pub(super) const EDGE: u8 = 0;
    pub(super) const OWNER: u8 = 1;
    pub(super) const CHECK: u8 = 2;
    pub(super) const CHECKED: u8 = 3;
}

pub(super) fn write(w: &mut Writer, relay: &Relay) {
    let (id, end, sequence, part) = match relay {
        Relay::Stream { id, sender, sequence, part } => (*id, *sender, *sequence, part),
        Relay::Check(number) => {
            w.byte(sender::CHECK);
            return w.number(*number);
        }
        Relay::Checked(number) => {
            w.byte(sender::CHECKED);
            return w.number(*number);
        }
    };
    w.byte(match end {
        End::Edge => sender::EDGE,
        End::Owner => sender::OWNER,
    });
    w.number(id);
    w.number(sequence);
    match part {
        Part::Open(open) => {
            w.byte(1);
            write_open(w, open);
        }
        Part::Refused(refusal) => {
            w.byte(2);
            w.byte(match refusal {
                Refusal::SessionUnknown => 1,
                Refusal::Revision => 2,
                Refusal::Transport => 3,
                Refusal::UpgradesOff => 4,
            });
        }
        Part::Accepted(credit) => {
            w.byte(3);
            w.number(*credit);
        }
        Part::Body(bytes) => {
            w.byte(4);
            w.bytes(bytes);
        }
        Part::Answer(answer) => {
            w.byte(5);
            w.number(u64::from(answer.status));
            w.text(&answer.content_type);
            w.text(&answer.content_encoding);
            w.byte(u8::from(answer.varies));
            w.bytes(&answer.body);
        }
        Part::Taken => w.byte(6),
        Part::Event(event) => {
            w.byte(7);
            write_event(w, event);
        }
        Part::Frames(bytes) => {
            w.byte(8);
            w.bytes(bytes);
        }
        Part::Credit(credit) => {
            w.byte(9);
            w.number(*credit);
        }
        Part::Ended => w.byte(10),
        Part::Abort(sid) => {
            w.byte(11);
            w.byte(u8::from(sid.is_some()));
            if let Some(sid) = sid {
                w.text(sid);
            }
        }
    }
}

pub(super) fn read(r: &mut Reader<'_>) -> Result<Relay, DecodeError> {
    let sender = match r.byte()? {
        sender::EDGE => End::Edge,
        sender::OWNER => End::Owner,
        sender::CHECK => return Ok(Relay::Check(r.number()?)),
        sender::CHECKED => return Ok(Relay::Checked(r.number()?)),
        value => return Err(DecodeError::Unknown { what: "end of a stream", value }),
    };
    let (id, sequence) = (r.number()?, r.number()?);
    let part = match r.byte()? {
        1 => Part::Open(read_open(r)?),
        2 => Part::Refused(match r.byte()? {
            1 => Refusal::SessionUnknown,
            2 => Refusal::Revision,
            3 => Refusal::Transport,
            4 => Refusal::UpgradesOff,
            value => return Err(DecodeError::Unknown { what: "refusal", value }),
        }),
        3 => Part::Accepted(r.number()?),
        4 => Part::Body(r.bytes()?),
        5 => Part::Answer(Answer {
            status: small(r)?,
            content_type: r.text()?,
            content_encoding: r.text()?,
            varies: r.flag()?,
            body: r.bytes()?,
        }),
        6 => Part::Taken,
        7 => Part::Event(read_event(r)?),
        8 => Part::Frames(r.bytes()?),
        9 => Part::Credit(r.number()?),
        10 => Part::Ended,
        11 => Part::Abort(if r.flag()? { Some(r.text()?) } else { None }),
        value => return Err(DecodeError::Unknown { what: "part of a stream", value }),
    };
    Ok(Relay::Stream { id, sender, sequence, part })
}

fn small(r: &mut Reader<'_>) -> Result<u16, DecodeError> {
    u16::try_from(r.number()?).map_err(|_| DecodeError::Number)
}

fn write_open(w: &mut Writer, open: &Open) {
    w.text(&open.sid);
    w.byte(open.revision);
    w.number(open.credit);
    match &open.request {
        Request::Poll { accept_encoding } => {
            w.byte(1);
            w.text(accept_encoding);
        }
        Request::Post { is_binary } => {
            w.byte(2);
            w.byte(u8::from(*is_binary));
        }
        Request::Websocket => w.byte(3),
    }
}

fn read_open(r: &mut Reader<'_>) -> Result<Open, DecodeError> {
    let (sid, revision, credit) = (r.text()?, r.byte()?, r.number()?);
    let request = match r.byte()? {
        1 => Request::Poll { accept_encoding: r.text()? },
        2 => Request::Post { is_binary: r.flag()? },
        3 => Request::Websocket,
        value => return Err(DecodeError::Unknown { what: "relayed request", value }),
    };
    Ok(Open { sid, revision, credit, request })
}

fn write_event(w: &mut Writer, event: &Event) {
    match event {
        Event::Text(bytes) => {
            w.byte(1);
            w.bytes(bytes);
        }
        Event::Binary(bytes) => {
            w.byte(2);
            w.bytes(bytes);
        }
        Event::Ping(bytes) => {
            w.byte(3);
            w.bytes(bytes);
        }
        Event::Pong => w.byte(4),
        Event::Close(code) => {
            w.byte(5);
            w.byte(u8::from(code.is_some()));
            if let Some(code) = code {
                w.number(u64::from(*code));
            }
        }
        Event::Gone(violation) => {
            w.byte(6);
            w.byte(match violation {
                None => 0,
                Some(Violation::Protocol) => 1,
                Some(Violation::TooBig) => 2,
                Some(Violation::TooManyFragments) => 3,
                Some(Violation::Utf8) => 4,
            });
        }
    }
}

fn read_event(r: &mut Reader<'_>) -> Result<Event, DecodeError> {
    Ok(match r.byte()? {
        1 => Event::Text(r.bytes()?),
        2 => Event::Binary(r.bytes()?),
        3 => Event::Ping(r.bytes()?),
        4 => Event::Pong,
        5 => Event::Close(if r.flag()? { Some(small(r)?) } else { None }),
        6 => Event::Gone(match r.byte()? {
            0 => None,
            1 => Some(Violation::Protocol),
            2 => Some(Violation::TooBig),
            3 => Some(Violation::TooManyFragments),
            4 => Some(Violation::Utf8),
            value => return Err(DecodeError::Unknown { what: "violation", value }),
        }),
        value => return Err(DecodeError::Unknown { what: "websocket event", value }),
    })
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
