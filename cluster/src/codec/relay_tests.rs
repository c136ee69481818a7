use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::codec::{Decoded, decode, encode};
use crate::message::{Envelope, Message};
use crate::node::{Epoch, NodeId};

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![Just(String::new()), ".{0,40}", Just(".*> \r\n\0".to_owned())].prop_map(Arc::from)
}

fn blob() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

fn open() -> impl Strategy<Value = Open> {
    let request = prop_oneof![
        text().prop_map(|accept_encoding| Request::Poll { accept_encoding }),
        any::<bool>().prop_map(|is_binary| Request::Post { is_binary }),
        Just(Request::Websocket),
    ];
    (text(), any::<u8>(), any::<u64>(), request).prop_map(|(sid, revision, credit, request)| Open {
        sid,
        revision,
        credit,
        request,
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    (any::<u16>(), text(), text(), any::<bool>(), blob()).prop_map(
        |(status, content_type, content_encoding, varies, body)| Answer {
            status,
            content_type,
            content_encoding,
            varies,
            body,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let violations =
        vec![Violation::Protocol, Violation::TooBig, Violation::TooManyFragments, Violation::Utf8];
    prop_oneof![
        blob().prop_map(Event::Text),
        blob().prop_map(Event::Binary),
        blob().prop_map(Event::Ping),
        Just(Event::Pong),
        prop::option::of(any::<u16>()).prop_map(Event::Close),
        prop::option::of(prop::sample::select(violations)).prop_map(Event::Gone),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let refusals = vec![Refusal::SessionUnknown, Refusal::Revision, Refusal::Transport, Refusal::UpgradesOff];
    prop_oneof![
        open().prop_map(Part::Open),
        prop::sample::select(refusals).prop_map(Part::Refused),
        any::<u64>().prop_map(Part::Accepted),
        blob().prop_map(Part::Body),
        answer().prop_map(Part::Answer),
        Just(Part::Taken),
        event().prop_map(Part::Event),
        blob().prop_map(Part::Frames),
        any::<u64>().prop_map(Part::Credit),
        Just(Part::Ended),
        prop::option::of(text()).prop_map(Part::Abort),
    ]
}

fn relay() -> impl Strategy<Value = Relay> {
    let sender = prop::sample::select(vec![End::Edge, End::Owner]);
    prop_oneof![
        8 => (any::<u64>(), sender, any::<u64>(), part())
            .prop_map(|(id, sender, sequence, part)| Relay::Stream { id, sender, sequence, part }),
        1 => any::<u64>().prop_map(Relay::Check),
        1 => any::<u64>().prop_map(Relay::Checked),
    ]
}

fn envelope(relay: Relay) -> Envelope {
    let from = NodeId::parse(b"abcdefgh").expect("an id");
    Envelope { from, epoch: Epoch(1), order: 1, sequence: 1, message: Message::Relay(relay) }
}

/// The example in PROTOCOL.md.
#[test]
fn the_layout_is_stable() {
    let open = Open { sid: "s".into(), revision: 4, credit: 300, request: Request::Websocket };
    let relay = Relay::Stream { id: 7, sender: End::Edge, sequence: 0, part: Part::Open(open) };
    let bytes = encode(&envelope(relay)).expect("encodes");
    let header = 2 + 8 + 8 + 8 + 1;
    assert_eq!(&bytes[header..], b"\x00\x07\x00\x01\x01s\x04\xac\x02\x03");
}

#[test]
fn what_a_part_costs_is_what_it_holds() {
    assert_eq!(Part::Frames(Bytes::from_static(b"abc")).cost(), 67);
    assert_eq!(Part::Event(Event::Pong).cost(), 64);
    assert_eq!(Part::Credit(5).cost() + Part::Ended.cost() + Part::Taken.cost(), 0);
}

proptest! {
    #[test]
    fn what_is_written_is_read(relay in relay()) {
        let envelope = envelope(relay);
        prop_assert_eq!(decode(&encode(&envelope).expect("encodes")), Ok(Decoded::Whole(envelope)));
    }

    #[test]
    fn garbage_is_refused_or_has_one_form(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let bytes = Bytes::from(bytes);
        let mut r = Reader::new(&bytes);
        if let Ok(relay) = read(&mut r) {
            let used = bytes.len() - r.remaining();
            let mut w = Writer::default();
            write(&mut w, &relay);
            prop_assert_eq!(w.finish(), bytes.slice(..used));
        }
    }

    #[test]
    fn a_cut_message_is_refused(relay in relay(), at in any::<prop::sample::Index>()) {
        let whole = encode(&envelope(relay)).expect("encodes");
        prop_assert!(decode(&whole.slice(..at.index(whole.len()))).is_err());
    }
}
