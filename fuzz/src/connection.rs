//! Whole connections to a running server: an input is a script of valid, odd and broken frames, requests, packets and ends.

use std::time::Duration;

use actix_socketio::Args;
use actix_socketio::protocol::{Parser, encode_event};

use super::client::{Client, Opcode, frame};
use super::input::Input;
use super::server::{SERVERS, Server};

const MAX_STEPS: usize = 40;
/// A poll with nothing to fetch is given up.
const POLL: Duration = Duration::from_millis(5);

const TYPES: [&str; 9] = ["0", "1", "2", "2", "2", "3", "4", "51-", "61-"];
const NAMESPACES: [&str; 6] = ["", "", "/custom,", "/dyn-7,", "/no,", "/?a=b,"];
const IDS: [&str; 4] = ["", "1", "0", "18446744073709551615"];
const PAYLOADS: [&str; 12] = [
    r#"["echo",1,{"a":[null,"\u0000"]}]"#,
    r#"["join","r"]"#,
    r#"["leave","r"]"#,
    r#"["bcast","r",{"_placeholder":true,"num":0}]"#,
    r#"["bcast","",[]]"#,
    r#"["ask",1]"#,
    r#"["typed","x",[1,2],1e300]"#,
    r#"["binary",[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]]"#,
    r#"["slow"]"#,
    r#"["go",false]"#,
    r#"["go",true]"#,
    r#"{"token":"x"}"#,
];

struct Script<'a> {
    server: &'a Server,
    revision: u8,
    sid: Option<String>,
    websocket: Option<Client>,
}

/// Plays the script of an input, and asserts that the server serves its healthy client as before.
pub fn connection(input: &[u8]) {
    let mut input = Input::new(input);
    let server = &SERVERS[usize::from(input.choice(3))];
    let revision = if input.choice(4) == 0 { 3 } else { 4 };
    let mut script = Script { server, revision, sid: None, websocket: None };
    match input.choice(4) {
        0 | 1 => script.open_websocket(),
        2 => script.open_polling(),
        _ => {
            script.open_polling();
            script.open_websocket();
            script.write_frame(Opcode::TEXT, b"2probe");
        }
    }
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        script.step(&mut input);
    }
    script.end(&mut input);
    server.check();
}

impl Script<'_> {
    fn target(&self, transport: &str) -> String {
        let sid = self.sid.as_ref().map(|sid| format!("&sid={sid}")).unwrap_or_default();
        format!("/socket.io/?EIO={}&transport={transport}{sid}", self.revision)
    }

    fn open_websocket(&mut self) {
        let mut client = Client::connect(self.server.address);
        if client.open_websocket(&self.target("websocket")) {
            self.websocket = Some(client);
        }
    }

    fn open_polling(&mut self) {
        let answer = self.request("GET", b"", None).unwrap_or_default();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let sid = answer.split(r#""sid":""#).nth(1).and_then(|rest| rest.split('"').next());
        self.sid = sid.map(str::to_owned);
    }

    /// A poll or a POST on a connection of its own.
    fn request(&self, method: &str, body: &[u8], patience: Option<Duration>) -> Option<Vec<u8>> {
        let target = self.target("polling");
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut client = Client::connect(self.server.address);
        let answer = client.request(&head, body, patience);
        client.reset();
        answer
    }

    fn write_frame(&mut self, first: u8, body: &[u8]) {
        if let Some(websocket) = &mut self.websocket {
            websocket.frame(first, body);
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.choice(12) {
            0 => self.write_raw(input.bytes()),
            1 => self.write_frame(input.byte(), input.bytes()),
            // Engine.IO packets.
            2 => {
                let packet = input.word(&["1", "2", "2probe", "3", "3probe", "5", "6", "0", "b4AAA="]);
                self.send(packet.into_bytes(), false);
            }
            3 => self.fragments(input),
            4 => {
                if let Some(websocket) = &mut self.websocket {
                    websocket.skim();
                }
            }
            5 => _ = self.request("GET", b"", Some(POLL)),
            6 => _ = self.request("POST", input.bytes(), None),
            7 => self.http(input),
            8 if self.websocket.is_none() => {
                self.open_websocket();
                self.write_frame(Opcode::TEXT, b"2probe");
            }
            9 => self.write_frame(Opcode::TEXT, b"5"),
            _ => self.packet(input),
        }
    }

    fn write_raw(&mut self, bytes: &[u8]) {
        if let Some(websocket) = &mut self.websocket {
            websocket.write(bytes);
        }
    }

    /// A message in frames of its pieces.
    fn fragments(&mut self, input: &mut Input<'_>) {
        let message = input.word(&[r#"42["echo","in pieces"]"#, "40"]);
        let size = usize::from(input.byte()).max(1);
        let mut first = 0x01;
        for piece in message.as_bytes().chunks(size) {
            self.write_frame(first, piece);
            first = 0;
            if input.choice(4) == 0 {
                self.write_frame(0x89, b"in between");
            }
        }
        self.write_frame(0x80 | (input.byte() & 1), b"");
    }

    /// A request with a head of the input's own.
    fn http(&mut self, input: &mut Input<'_>) {
        let method = input.word(&["GET", "POST", "PUT", "OPTIONS"]);
        let query = input.text();
        let headers = input.word(&[
            "Connection: Upgrade\r\nUpgrade: websocket",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
        ]);
        let head = format!(
            "{method} {}{query} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n",
            self.target("polling")
        );
        let mut client = Client::connect(self.server.address);
        client.request(&head, input.bytes(), Some(POLL));
        client.reset();
    }

    /// A Socket.IO packet with its attachments.
    fn packet(&mut self, input: &mut Input<'_>) {
        if self.server.parser == Parser::MsgPack && input.choice(3) == 0 {
            return self.send(input.bytes().to_vec(), true);
        }
        let kind = TYPES[usize::from(input.byte()) % TYPES.len()];
        let namespace = input.word(&NAMESPACES);
        let id = input.word(&IDS);
        let payload = if matches!(kind, "0" | "1") { String::new() } else { input.word(&PAYLOADS) };
        match self.server.parser {
            Parser::Json => {
                self.send(format!("4{kind}{namespace}{id}{payload}").into_bytes(), false);
                if kind.ends_with('-') {
                    self.send(input.bytes().to_vec(), true);
                }
            }
            Parser::MsgPack => {
                let namespace = if namespace.is_empty() { "/" } else { namespace.trim_end_matches(',') };
                if kind == "0" {
                    let mut packet = b"\x82\xa4type\x00\xa3nsp".to_vec();
                    packet.push(0xa0 | (namespace.len() as u8 & 0x1f));
                    packet.extend_from_slice(namespace.as_bytes());
                    return self.send(packet, true);
                }
                let args = payload.strip_prefix("[\"echo\",").map(|args| format!("[{args}"));
                let args = args.and_then(|args| Args::from_json(args, vec![]).ok()).unwrap_or_default();
                let event = ["echo", "ask", "bcast", "join", "typed", "binary", "go"];
                let event = input.word(&event);
                let mut packet = Vec::new();
                if let Ok(args) = args.to_parser(Parser::MsgPack)
                    && encode_event(Parser::MsgPack, namespace, &event, &args, id.parse().ok(), &mut packet)
                        .is_ok()
                {
                    self.send(packet, true);
                }
            }
        }
    }

    /// Sends an Engine.IO packet by what there is.
    fn send(&mut self, packet: Vec<u8>, is_binary: bool) {
        if self.websocket.is_some() {
            return match (is_binary, self.revision) {
                (true, 3) => self.write_frame(Opcode::BINARY, &[b"\x04", &*packet].concat()),
                (true, _) => self.write_frame(Opcode::BINARY, &packet),
                (false, _) => self.write_frame(Opcode::TEXT, &packet),
            };
        }
        let mut body = packet;
        if self.revision == 3 {
            let length = String::from_utf8_lossy(&body).encode_utf16().count();
            body.splice(..0, format!("{length}:").into_bytes());
        }
        self.request("POST", &body, None);
    }

    fn end(mut self, input: &mut Input<'_>) {
        let how = input.choice(5);
        if self.sid.is_some() && input.choice(4) != 0 {
            self.request("POST", if self.revision == 3 { b"1:1" } else { b"1" }, None);
        }
        let Some(mut websocket) = self.websocket.take() else { return };
        match how {
            0 => websocket.reset(),
            1 => websocket.finish(),
            2 => {
                websocket.frame(Opcode::CLOSE, input.bytes());
                websocket.finish();
            }
            3 => {
                let whole = frame(Opcode::TEXT, br#"42["echo","never all of it"]"#);
                websocket.write(&whole[..usize::from(input.byte()) % whole.len()]);
                websocket.finish();
            }
            _ => {
                websocket.frame(Opcode::TEXT, b"41");
                websocket.reset();
            }
        }
    }
}
