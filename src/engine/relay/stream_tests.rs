use std::sync::atomic::AtomicBool;
use std::task::Waker;

use bytes::Bytes;
use socketio_cluster::relay::Answer;

use super::*;
use crate::engine::relay::{EDGE_WINDOW, lock};

/// Keeps what was sent.
#[derive(Default)]
struct Recorder {
    sent: Mutex<Vec<Relay>>,
    is_away: AtomicBool,
}

impl RelayBus for Recorder {
    fn live_node(&self, _: &str) -> Option<NodeId> {
        None
    }

    fn send(&self, _: NodeId, message: Relay) -> bool {
        if self.is_away.load(std::sync::atomic::Ordering::Relaxed) {
            return false;
        }
        lock(&self.sent).push(message);
        true
    }
}

fn relays() -> (Arc<Recorder>, Arc<Relays>) {
    let bus = Arc::new(Recorder::default());
    let relays = Relays {
        bus: bus.clone(),
        last_number: Default::default(),
        ours: Mutex::default(),
        theirs: Mutex::default(),
    };
    (bus, Arc::new(relays))
}

/// A websocket at its edge, and the messages of that edge.
fn edge(request: Request) -> (Arc<Recorder>, Handle) {
    let (bus, relays) = relays();
    let handle = relays.open(NodeId::random(), "secret".into(), 4, request).expect("can be sent");
    (bus, handle)
}

fn said(bus: &Recorder) -> Vec<(u64, Part)> {
    let sent = std::mem::take(&mut *lock(&bus.sent));
    let parts = sent.into_iter().map(|relay| match relay {
        Relay::Stream { sequence, part, .. } => (sequence, part),
        other => panic!("{other:?}"),
    });
    parts.collect()
}

fn received(handle: &Handle) -> Poll<Result<Part, Broken>> {
    handle.poll_receive(&Context::from_waker(Waker::noop()))
}

fn has_credit(handle: &Handle) -> bool {
    handle.poll_credit(&Context::from_waker(Waker::noop())).is_ready()
}

fn frames(length: usize) -> Part {
    Part::Frames(Bytes::from(vec![0; length]))
}

#[test]
fn messages_are_numbered_and_a_gap_breaks_the_stream_after_what_came_before() {
    let (bus, handle) = edge(Request::Websocket);
    handle.stream.deliver(0, Part::Accepted(10));
    handle.stream.deliver(1, frames(1));
    handle.stream.deliver(3, frames(2));
    handle.stream.deliver(4, frames(3));
    assert_eq!(received(&handle), Poll::Ready(Ok(Part::Accepted(10))));
    assert_eq!(received(&handle), Poll::Ready(Ok(frames(1))));
    assert_eq!(received(&handle), Poll::Ready(Err(Broken::Lost)));
    assert!(handle.send(Part::Event(Event::Pong)));
    drop(handle);
    let said = said(&bus);
    assert_eq!(said[1..], [(1, Part::Event(Event::Pong)), (2, Part::Abort(Some("secret".into())))]);
}

#[test]
fn credit_is_spent_given_back_and_enforced() {
    let (bus, handle) = edge(Request::Websocket);
    assert!(!has_credit(&handle));
    handle.stream.deliver(0, Part::Accepted(100));
    assert!(has_credit(&handle));
    assert!(
        handle.send(Part::Event(Event::Text(Bytes::from(vec![0; 500])))),
        "one message may go below zero"
    );
    assert!(!has_credit(&handle));
    handle.stream.deliver(1, Part::Credit(464));
    assert!(!has_credit(&handle), "exactly used up");
    handle.stream.deliver(2, Part::Credit(1));
    assert!(has_credit(&handle));
    // The other direction: half of the window is used up before any is given back.
    said(&bus);
    assert_eq!(received(&handle), Poll::Ready(Ok(Part::Accepted(100))));
    handle.stream.deliver(3, frames(EDGE_WINDOW / 2 - 65));
    assert!(matches!(received(&handle), Poll::Ready(Ok(Part::Frames(_)))));
    assert_eq!(said(&bus), []);
    handle.stream.deliver(4, frames(EDGE_WINDOW));
    assert!(matches!(received(&handle), Poll::Ready(Ok(Part::Frames(_)))));
    assert_eq!(said(&bus), [(2, Part::Credit((EDGE_WINDOW / 2 - 1 + EDGE_WINDOW + 64) as u64))]);
    // What was given back can be used, and what one read brings too; more breaks the stream.
    handle.stream.deliver(5, frames(EDGE_WINDOW + OVERDRAFT as usize));
    handle.stream.deliver(6, frames(0));
    assert!(matches!(received(&handle), Poll::Ready(Ok(Part::Frames(_)))));
    assert_eq!(received(&handle), Poll::Ready(Err(Broken::Lost)));
}

#[test]
fn a_check_breaks_only_the_streams_on_which_nothing_came() {
    let (_bus, handle) = edge(Request::Websocket);
    handle.stream.suspect(5);
    handle.stream.deliver(0, Part::Credit(0));
    handle.stream.checked(5);
    assert_eq!(received(&handle), Poll::Pending);
    handle.stream.suspect(9);
    handle.stream.checked(8);
    assert_eq!(received(&handle), Poll::Pending, "the answer to an earlier check");
    handle.stream.checked(9);
    assert_eq!(received(&handle), Poll::Ready(Err(Broken::Lost)));
}

#[test]
fn how_a_stream_says_goodbye() {
    let poll = || Request::Poll { accept_encoding: "".into() };
    let answer = Answer {
        status: 200,
        content_type: "".into(),
        content_encoding: "".into(),
        varies: false,
        body: Bytes::new(),
    };
    let last = |request, after: &dyn Fn(&Handle)| {
        let (bus, handle) = edge(request);
        after(&handle);
        drop(handle);
        said(&bus).pop().map(|(_, part)| part)
    };
    let abort = Some(Part::Abort(Some("secret".into())));
    assert_eq!(last(poll(), &|_| {}), abort);
    let taken = |handle: &Handle| {
        handle.stream.deliver(0, Part::Answer(answer.clone()));
        handle.send(Part::Taken);
    };
    assert_eq!(last(poll(), &taken), Some(Part::Taken));
    let refused = |handle: &Handle| {
        handle.stream.deliver(0, Part::Refused(socketio_cluster::relay::Refusal::Transport));
    };
    assert!(matches!(last(poll(), &refused), Some(Part::Open(_))), "the session goes on");
    assert!(matches!(last(poll(), &|handle| handle.stream.fail(Broken::NodeGone)), Some(Part::Open(_))));
    assert_eq!(last(poll(), &|handle| handle.stream.fail(Broken::Silent)), abort);
    let gone = Some(Part::Event(Event::Gone(None)));
    assert_eq!(last(Request::Websocket, &|_| {}), gone);
    assert_eq!(last(Request::Websocket, &|handle| handle.stream.fail(Broken::Closing)), gone);
    assert_eq!(last(Request::Websocket, &|handle| handle.stream.fail(Broken::Lost)), abort);
    assert!(matches!(last(Request::Websocket, &|h| h.stream.deliver(0, Part::Ended)), Some(Part::Open(_))));
}

#[test]
fn what_cannot_be_sent_breaks_the_stream_and_streams_are_forgotten() {
    let (bus, handle) = edge(Request::Websocket);
    bus.is_away.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(!handle.send(Part::Event(Event::Pong)));
    assert_eq!(received(&handle), Poll::Ready(Err(Broken::Lost)));
    let relays = handle.relays.clone();
    assert_eq!(lock(&relays.ours).len(), 1);
    drop(handle);
    assert!(lock(&relays.ours).is_empty());
    assert!(relays.open(NodeId::random(), "s".into(), 4, Request::Websocket).is_none());
    assert!(lock(&relays.ours).is_empty());
}
