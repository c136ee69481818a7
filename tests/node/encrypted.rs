//! TLS: certificates are replaced while clients are there, and clients can be asked for theirs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::nats_server::scratch;
use crate::program::Program;
use crate::support::tls::{Identity, client_of};
use crate::support::{Address, Http};

/// The files that a node is told of.
pub(crate) struct Files {
    cert: PathBuf,
    key: PathBuf,
}

impl Files {
    pub(crate) fn new(name: &str) -> Self {
        Self { cert: scratch(&format!("{name}.pem")), key: scratch(&format!("{name}.key")) }
    }

    pub(crate) fn hold(&self, identity: &Identity) {
        std::fs::write(&self.cert, pem("CERTIFICATE", &identity.certificate)).unwrap();
        std::fs::write(&self.key, pem("PRIVATE KEY", &identity.key)).unwrap();
    }

    /// What tells a node of them.
    pub(crate) fn variables(&self) -> [(&'static str, &str); 2] {
        let [cert, key] = [&self.cert, &self.key].map(|file| file.to_str().unwrap());
        [("SOCKETIO_TLS_CERT", cert), ("SOCKETIO_TLS_KEY", key)]
    }

    fn section(&self) -> String {
        format!("[tls]\ncert = {:?}\nkey = {:?}\n", self.cert, self.key)
    }
}

fn pem(label: &str, bytes: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(bytes))
}

/// Whether a new connection is served.
async fn is_served(socket: SocketAddr, config: &Arc<ClientConfig>) -> bool {
    let asked = async {
        let stream = TcpStream::connect(socket).await?;
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let mut stream = tokio_rustls::TlsConnector::from(config.clone()).connect(name, stream).await?;
        stream.write_all(b"GET /socket.io/ HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
        // In TLS 1.3 a client learns here that its certificate was refused.
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        assert_eq!(&head, b"HTTP/1.1 400", "what balancers look at");
        std::io::Result::Ok(())
    };
    asked.await.is_ok()
}

async fn reload(node: &Program, says: &str) {
    let before = node.log().matches(says).count();
    node.signal("HUP");
    crate::until(|| node.log().matches(says).count() > before).await;
}

#[tokio::test]
async fn a_certificate_is_replaced_while_clients_are_there() {
    let [first, second] = [Identity::new(), Identity::new()];
    let [trusts_first, trusts_second] = [&first, &second].map(|server| client_of(server, None));
    let files = Files::new("replaced");
    files.hold(&first);
    let mut node = Program::spawn(&["--port", "0"], &files.variables());
    let socket = node.listens().await;
    assert!(node.said().contains("listening on https://"), "{}", node.said());
    let address = Address { socket, tls: Some(trusts_first.clone()), edge: None };
    let mut client = Client::connect(&address).await;
    assert!(is_served(socket, &trusts_first).await);
    assert!(!is_served(socket, &trusts_second).await);
    let mut plain = Http::connect(&Address { socket, tls: None, edge: None }).await;
    plain.write(b"GET /socket.io/ HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(plain.try_receive().await.is_none(), "not without TLS");

    files.hold(&second);
    reload(&node, "configuration reloaded").await;
    node.logs("another certificate").await;
    assert!(is_served(socket, &trusts_second).await);
    assert!(!is_served(socket, &trusts_first).await, "also who was there before sees the new one");
    client.ws.send("40/none,").await;
    assert!(client.packet().await.unwrap().starts_with("44/none,"), "who is there stays");

    // The key of the other one, and none at all.
    for key in [pem("PRIVATE KEY", &first.key), String::new()] {
        std::fs::write(&files.key, key).unwrap();
        reload(&node, "not reloaded, the old configuration stays in force").await;
        assert!(is_served(socket, &trusts_second).await);
    }
    client.ws.send("40/none,").await;
    assert!(client.packet().await.unwrap().starts_with("44/none,"));
    node.signal("TERM");
    assert_eq!(client.packet().await, Err(Some(1001)));
    assert_eq!(node.ended().await.0, Some(0));

    let mut node = Program::spawn(&["--port", "0"], &files.variables());
    assert_eq!(node.ended().await.0, Some(1), "with such files no node starts");
    node.logs("tls.key").await;
}

#[tokio::test]
async fn clients_are_asked_for_certificates() {
    let [server, known, other] = [Identity::new(), Identity::new(), Identity::new()];
    let files = Files::new("asked");
    files.hold(&server);
    let (ca, config) = (scratch("asked-ca.pem"), scratch("asked.toml"));
    let trust = |who: &Identity| std::fs::write(&ca, pem("CERTIFICATE", &who.certificate)).unwrap();
    let write = |tls: &str, more: &str| {
        std::fs::write(&config, format!("[server]\nport = 0\n{tls}{more}")).unwrap();
    };
    let asking = format!("client_ca = {ca:?}\n");
    trust(&known);
    write(&files.section(), &asking);
    let node = Program::start(&["--config", config.to_str().unwrap()]).await;
    let socket = node.listens().await;
    let [nobody, knows, others] = [None, Some(&known), Some(&other)].map(|who| client_of(&server, who));
    assert!(!is_served(socket, &nobody).await);
    assert!(is_served(socket, &knows).await);
    assert!(!is_served(socket, &others).await);

    // Who was trusted before is not any more, however well it remembers its session.
    trust(&other);
    reload(&node, "configuration reloaded").await;
    assert!(!is_served(socket, &knows).await);
    assert!(is_served(socket, &others).await);

    write(&files.section(), &format!("{asking}client_certificates = \"optional\"\n"));
    reload(&node, "configuration reloaded").await;
    assert!(is_served(socket, &nobody).await);
    assert!(!is_served(socket, &knows).await, "a certificate that is shown has to be good");

    write(&files.section(), "");
    reload(&node, "configuration reloaded").await;
    assert!(is_served(socket, &nobody).await && is_served(socket, &knows).await);

    write("", "");
    reload(&node, "TLS is turned on and off by a restart only").await;
    assert!(is_served(socket, &nobody).await);
}

#[tokio::test]
async fn who_connects_and_says_nothing_keeps_nobody_away() {
    let server = Identity::new();
    let files = Files::new("silent");
    files.hold(&server);
    let node = Program::spawn(&["--port", "0", "--workers", "1"], &files.variables());
    let socket = node.listens().await;
    let trusts = client_of(&server, None);
    // They are cut off after three seconds: on a machine that needs as long for this nothing is learnt.
    let mut are_all_there = false;
    for _ in 0..3 {
        let mut silent = Vec::new();
        for _ in 0..400 {
            silent.push(TcpStream::connect(socket).await.unwrap());
        }
        assert!(is_served(socket, &trusts).await);
        let waits = |stream: &TcpStream| matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
        are_all_there = silent.iter().all(waits);
        if are_all_there {
            break;
        }
    }
    assert!(are_all_there, "served only when the silent ones had gone");
}
