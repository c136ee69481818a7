//! Sessions relayed between nodes: what two hostile nodes say, as edges of a session that is here and as owners of sessions
//! that clients look for here, in any order and number.

use actix_web::test::TestRequest;
use bytes::Bytes;
use socketio_cluster::codec::{Decoded, decode};
use socketio_cluster::message::Message;
use socketio_cluster::node::NodeId;
use socketio_cluster::relay::{Answer, End, Event, Open, Part, Refusal, Relay, Request, Violation};

use super::app::{Endpoint, NODES, run, turns};
use super::input::Input;

const MAX_STEPS: usize = 60;
const MAX_CLIENTS: usize = 6;

struct Script<'a> {
    endpoint: &'a Endpoint,
    input: Input<'a>,
    nodes: [NodeId; 2],
    sid: String,
    /// The number of the next message, by sender and stream.
    sequences: [[u64; 3]; 4],
}

/// Plays the script of an input; then both nodes are dead, and all that they began or serve has to end.
pub fn relay(input: &[u8]) {
    run(async |endpoint| {
        let nodes = NODES.map(|id| NodeId::parse(id.as_bytes()).expect("an id"));
        let Some(sid) = endpoint.open().await else { panic!("no session") };
        let mut script =
            Script { endpoint, input: Input::new(input), nodes, sid, sequences: Default::default() };
        let mut clients = Vec::new();
        for _ in 0..MAX_STEPS {
            if script.input.is_empty() {
                break;
            }
            match script.input.choice(10) {
                0 => turns().await,
                1 if clients.len() < MAX_CLIENTS => {
                    let request = script.request();
                    clients.push(endpoint.begin(request));
                    turns().await;
                }
                _ => script.step(),
            }
        }
        for node in nodes {
            endpoint.inbox.node_gone(node);
        }
        turns().await;
        for client in clients {
            if client.is_finished() {
                client.await.expect("no panic");
            } else {
                client.abort();
            }
        }
        let target = format!("/engine.io/?EIO=4&transport=polling&sid={}", script.sid);
        endpoint.fetch(TestRequest::post().uri(&target).set_payload("1")).await;
    });
}

impl Script<'_> {
    /// A client's, for the session that is here or for one of another node.
    fn request(&mut self) -> TestRequest {
        let sid = match self.input.choice(3) {
            0 => self.sid.clone(),
            node => format!("session{}", NODES[usize::from(node) - 1]),
        };
        let target = |transport: &str| format!("/engine.io/?EIO=4&transport={transport}&sid={sid}");
        match self.input.choice(3) {
            0 => TestRequest::get().uri(&target("polling")).append_header(("accept-encoding", "gzip")),
            1 => TestRequest::post().uri(&target("polling")).set_payload(self.input.word(&["4x", "1"])),
            _ => TestRequest::get()
                .uri(&target("websocket"))
                .append_header(("connection", "upgrade"))
                .append_header(("upgrade", "websocket"))
                .append_header(("sec-websocket-version", "13"))
                .append_header(("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="))
                .set_payload(self.input.bytes().to_vec()),
        }
    }

    fn step(&mut self) {
        let at = usize::from(self.input.choice(2));
        let node = self.nodes[at];
        let inbox = &self.endpoint.inbox;
        match self.input.choice(12) {
            0 => inbox.node_gone(node),
            1 => inbox.lost(node),
            2 => inbox.receive(node, Relay::Check(self.input.number())),
            3 => inbox.receive(node, Relay::Checked(self.input.number())),
            4 => {
                if let Ok(Decoded::Whole(envelope)) = decode(&Bytes::copy_from_slice(self.input.bytes()))
                    && let Message::Relay(relay) = envelope.message
                {
                    inbox.receive(node, relay);
                }
            }
            kind => {
                let sender = if kind % 2 == 0 { End::Edge } else { End::Owner };
                let stream = self.input.choice(3);
                let id = match sender {
                    End::Edge => u64::from(stream),
                    End::Owner => self.endpoint.last_stream().saturating_sub(u64::from(stream)),
                };
                let part = self.part();
                let next = &mut self.sequences[at * 2 + usize::from(kind % 2)][usize::from(stream)];
                let sequence = if matches!(part, Part::Open(_)) { 0 } else { *next };
                let sequence = if self.input.choice(16) == 15 { self.input.number() } else { sequence };
                *next = sequence.wrapping_add(1);
                inbox.receive(node, Relay::Stream { id, sender, sequence, part });
            }
        }
    }

    fn part(&mut self) -> Part {
        let sid = self.sid.clone();
        let input = &mut self.input;
        let bytes = |input: &mut Input<'_>| Bytes::copy_from_slice(input.bytes());
        match input.choice(14) {
            0 | 1 => Part::Open(Open {
                sid: if input.choice(8) == 0 { input.text().into() } else { sid.into() },
                revision: if input.choice(8) == 0 { input.byte() } else { 4 },
                credit: input.number(),
                request: match input.choice(3) {
                    0 => Request::Poll { accept_encoding: input.word(&["gzip", ""]).into() },
                    1 => Request::Post { is_binary: input.choice(2) == 1 },
                    _ => Request::Websocket,
                },
            }),
            2 => Part::Refused(match input.choice(4) {
                0 => Refusal::SessionUnknown,
                1 => Refusal::Revision,
                2 => Refusal::Transport,
                _ => Refusal::UpgradesOff,
            }),
            3 => Part::Accepted(input.number()),
            4 => Part::Body(bytes(input)),
            5 => Part::Answer(Answer {
                status: input.number() as u16,
                content_type: input.word(&["text/plain; charset=UTF-8", ""]).into(),
                content_encoding: input.word(&["gzip", ""]).into(),
                varies: input.choice(2) == 1,
                body: bytes(input),
            }),
            6 => Part::Taken,
            7 => Part::Frames(bytes(input)),
            8 => Part::Credit(input.number()),
            9 => Part::Ended,
            10 => Part::Abort((input.choice(2) == 1).then(|| sid.into())),
            _ => Part::Event(match input.choice(7) {
                0 | 1 => Event::Text(input.word(&["2probe", "5", "4x", "1"]).into_bytes().into()),
                2 => Event::Text(bytes(input)),
                3 => Event::Binary(bytes(input)),
                4 => Event::Ping(bytes(input)),
                5 => Event::Close((input.choice(2) == 1).then(|| input.number() as u16)),
                _ => Event::Gone((input.choice(2) == 1).then_some(Violation::Protocol)),
            }),
        }
    }
}
