use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![".{0,20}", Just(".*> \r\n\0".to_owned()), Just("é".repeat(5_000))].prop_map(Arc::from)
}

fn texts() -> impl Strategy<Value = Vec<Arc<str>>> {
    prop::collection::vec(text(), 0..4)
}

fn blob() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

fn payload() -> impl Strategy<Value = Payload> {
    let encoding = prop_oneof![Just(Encoding::Json), Just(Encoding::MsgPack)];
    (encoding, blob(), prop::collection::vec(blob(), 0..4))
        .prop_map(|(encoding, body, attachments)| Payload { encoding, body, attachments })
}

fn target() -> impl Strategy<Value = Target> {
    (text(), texts(), texts()).prop_map(|(namespace, rooms, except)| Target { namespace, rooms, except })
}

fn announcement() -> impl Strategy<Value = Announcement> {
    (text(), any::<u32>(), any::<u8>()).prop_map(|(name, buckets, bucket_hash)| Announcement {
        name,
        settings: Settings { buckets, bucket_hash },
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::FetchSockets),
        Just(Action::CountSockets),
        Just(Action::Rooms),
        (text(), any::<u64>()).prop_map(|(after, limit)| Action::FetchPage { after, limit }),
        texts().prop_map(Action::Join),
        texts().prop_map(Action::Leave),
        any::<bool>().prop_map(Action::Disconnect),
        (text(), payload(), any::<bool>()).prop_map(|(event, args, wants_ack)| Action::ServerSideEmit {
            event,
            args,
            wants_ack
        }),
        (text(), blob()).prop_map(|(kind, body)| Action::ToRoomActors { kind, body }),
        (text(), any::<bool>())
            .prop_map(|(reply, is_in_place)| Action::ExternalOutcome { reply, is_in_place }),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    let socket = (text(), texts(), blob(), blob()).prop_map(|(id, rooms, handshake, data)| Socket {
        id,
        rooms,
        handshake,
        data,
    });
    prop_oneof![
        any::<u64>().prop_map(Answer::Done),
        text().prop_map(Answer::Refused),
        prop::collection::vec(socket, 0..4).prop_map(Answer::Sockets),
        prop::collection::vec((text(), any::<u64>()), 0..4).prop_map(Answer::Rooms),
        payload().prop_map(Answer::ServerSideAck),
        (text(), prop::option::of(payload()))
            .prop_map(|(socket, answer)| Answer::SocketAck { socket, answer }),
        texts().prop_map(Answer::Asked),
        any::<[u64; 3]>().prop_map(|[sent, left, total]| Answer::EndOfPage { sent, left, total }),
        (any::<u64>(), prop::collection::vec(node_id(), 0..4))
            .prop_map(|(sockets, missing)| Answer::Joined { sockets, missing }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let flags = (any::<bool>(), any::<bool>()).prop_map(|(volatile, compress)| Flags { volatile, compress });
    let ack = any::<(u64, u64)>().prop_map(|(id, timeout)| AckRequest { id, timeout });
    prop_oneof![
        announcement().prop_map(Message::Joining),
        Just(Message::Leaving),
        (announcement(), any::<[u64; 4]>(), prop::collection::vec((text(), any::<u64>()), 0..4)).prop_map(
            |(announcement, [uptime, sockets, rooms, load], sequences)| Message::Heartbeat(Heartbeat {
                announcement,
                uptime,
                sockets,
                rooms,
                load,
                sequences
            })
        ),
        (target(), flags, prop::option::of(ack), text(), payload()).prop_map(
            |(target, flags, ack, event, args)| Message::Broadcast(Broadcast {
                target,
                flags,
                ack,
                event,
                args
            })
        ),
        (text(), prop::collection::vec((text(), any::<u64>()), 0..4), any::<bool>()).prop_map(
            |(namespace, rooms, wants_answer)| Message::Membership(Membership {
                namespace,
                rooms,
                wants_answer
            })
        ),
        any::<u64>().prop_map(Message::FenceRequest),
        any::<u64>().prop_map(Message::FenceAnswer),
        (any::<u64>(), target(), action()).prop_map(|(id, target, action)| Message::Request(Request {
            id,
            target,
            action
        })),
        (any::<u64>(), any::<bool>(), answer())
            .prop_map(|(id, is_last, answer)| Message::Response(Response { id, is_last, answer })),
    ]
}

fn node_id() -> impl Strategy<Value = NodeId> {
    prop::array::uniform8(prop::sample::select(b"AZaz09_-".as_slice()))
        .prop_map(|id| NodeId::parse(&id).expect("an id"))
}

fn envelope() -> impl Strategy<Value = Envelope> {
    (node_id(), any::<[u64; 3]>(), message()).prop_map(|(from, [epoch, order, sequence], message)| Envelope {
        from,
        epoch: Epoch(epoch),
        order,
        sequence,
        message,
    })
}

fn heartbeat() -> Envelope {
    let announcement =
        Announcement { name: "n".into(), settings: Settings { buckets: 1024, bucket_hash: 1 } };
    let heartbeat = Heartbeat {
        announcement,
        uptime: 1000,
        sockets: 300,
        rooms: 40,
        load: 5,
        sequences: vec![("sio.emit".into(), 5)],
    };
    Envelope {
        from: NodeId::parse(b"abcdefgh").expect("an id"),
        epoch: Epoch(0x0102_0304_0506_0708),
        order: 7,
        sequence: 1,
        message: Message::Heartbeat(heartbeat),
    }
}

/// The example in PROTOCOL.md.
#[test]
fn the_layout_is_stable() {
    let expected =
        b"\x01\x03abcdefgh\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\x00\x00\x00\x00\x07\x01\x80\x08\x01\x01n\xe8\x07\xac\x02\x28\x05\x01\x08sio.emit\x05";
    assert_eq!(&encode(&heartbeat()).expect("encodes")[..], expected);
}

/// The examples in PROTOCOL.md.
#[test]
fn the_layout_of_a_page_is_stable() {
    let target = Target { namespace: "/".into(), rooms: vec!["r".into()], except: vec![] };
    let action = Action::FetchPage { after: "abc".into(), limit: 300 };
    let ask = Message::Request(Request { id: 4, target, action });
    let answer = Answer::EndOfPage { sent: 300, left: 2, total: 1000 };
    let end = Message::Response(Response { id: 4, is_last: true, answer });
    for (message, expected) in
        [(ask, &b"\x04\x01/\x01\x01r\x00\x0a\x03abc\xac\x02"[..]), (end, b"\x04\x01\x09\xac\x02\x02\xe8\x07")]
    {
        let bytes = encode(&Envelope { message, ..heartbeat() }).expect("encodes");
        // After the version, the kind, the node, the epoch, the order and the sequence.
        assert_eq!(&bytes[27..], expected);
    }
}

#[test]
fn what_is_no_message_is_refused_by_name() {
    let good = encode(&heartbeat()).expect("encodes");
    let changed = |at: usize, value: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = value;
        decode(&bytes.into())
    };
    assert_eq!(changed(0, 2), Err(DecodeError::Version(2)));
    assert_eq!(changed(0, b'{'), Err(DecodeError::Version(b'{')));
    assert_eq!(changed(1, 99), Err(DecodeError::Unknown { what: "message", value: 99 }));
    assert_eq!(changed(2, b'.'), Err(DecodeError::NodeId));
    assert_eq!(changed(31, 0xff), Err(DecodeError::Utf8));
    assert_eq!(changed(38, 0x7f), Err(DecodeError::Truncated), "more subjects than bytes");
    assert_eq!(decode(&Bytes::new()), Err(DecodeError::Truncated));
    let longer = [&good[..], b"xx"].concat();
    assert_eq!(decode(&longer.into()), Err(DecodeError::Trailing(2)));
    for end in 0..good.len() {
        assert!(decode(&good.slice(..end)).is_err(), "cut at {end}");
    }
}

#[test]
fn the_order_is_seen_without_decoding() {
    let whole = encode(&heartbeat()).expect("encodes");
    let (from, epoch) = (heartbeat().from, heartbeat().epoch);
    assert_eq!(peek_order(&whole), Some((from, epoch, 7)));
    let part = Fragment { from, epoch, order: 9, offset: 0, total: 1, bytes: Bytes::from_static(b"x") };
    assert_eq!(peek_order(&encode_fragment(&part)), Some((from, epoch, 9)));
    for other in [&b"{}"[..], b"", &whole[..25], br#"{"event":"long enough to have all of the header"}"#] {
        assert_eq!(peek_order(other), None);
    }
}

#[test]
fn numbers_have_one_form() {
    for (bytes, expected) in [
        (&b"\x00"[..], Ok(0)),
        (b"\x7f", Ok(127)),
        (b"\x80\x01", Ok(128)),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Ok(u64::MAX)),
        (b"\x80\x00", Err(DecodeError::Number)),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", Err(DecodeError::Number)),
        (b"\x80", Err(DecodeError::Truncated)),
    ] {
        assert_eq!(Reader::new(&Bytes::from_static(bytes)).number(), expected, "{bytes:?}");
    }
}

#[test]
fn many_small_items_take_no_more_memory_than_is_allowed() {
    let leave = |rooms: usize| {
        let action = Action::Leave(vec!["".into(); rooms]);
        let target = Target { namespace: "/".into(), rooms: vec!["r".into()], except: vec![] };
        Envelope { message: Message::Request(Request { id: 1, target, action }), ..heartbeat() }
    };
    let largest = encode(&leave(MAX_ITEMS - 1)).expect("encodes");
    assert!(decode(&largest).is_ok());
    assert_eq!(encode(&leave(MAX_ITEMS)), Err(TooManyItems(MAX_ITEMS + 1)));
    // The same with one more: the count is in three bytes before the items.
    let mut larger = largest.to_vec();
    let count = larger.len() - (MAX_ITEMS - 1) - 3;
    assert_eq!(larger[count..count + 3], [0xff, 0xff, 0x0f]);
    larger.splice(count..count + 3, [0x80, 0x80, 0x10]);
    larger.push(0);
    assert_eq!(decode(&larger.into()), Err(DecodeError::TooMany));
}

proptest! {
    #[test]
    fn what_is_written_is_read(envelope in envelope()) {
        prop_assert_eq!(decode(&encode(&envelope).expect("encodes")), Ok(Decoded::Whole(envelope)));
    }

    #[test]
    fn garbage_is_refused_or_has_one_form(kind in 0u8..17, rest in prop::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from([&[WIRE_VERSION, kind][..], b"abcdefgh", &rest].concat());
        match decode(&bytes) {
            Ok(Decoded::Whole(envelope)) => prop_assert_eq!(encode(&envelope), Ok(bytes)),
            Ok(Decoded::Fragment(fragment)) => prop_assert_eq!(encode_fragment(&fragment), bytes),
            Err(_) => {}
        }
    }

    #[test]
    fn a_changed_byte_never_panics(envelope in envelope(), at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut bytes = encode(&envelope).expect("encodes").to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = decode(&bytes.into());
    }
}
