//! How a node listens, and what it tells whoever supervises it.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::client::Client;
use crate::encrypted::Files;
use crate::process::Node;
use crate::program::Program;
use crate::support::tls::{Identity, client_of};
use crate::support::{Address, Http};
use crate::{ms, until};

#[tokio::test]
async fn idle_connections_are_closed_when_they_have_been_for_long_enough() {
    let node = Program::spawn(&["--port", "0"], &[("SOCKETIO_SERVER_KEEP_ALIVE", "1s")]);
    let mut http = Http::connect(&node.address().await).await;
    http.send("GET", "/socket.io/", &[], b"").await;
    assert_eq!(http.receive().await.status, 400);
    http.send("GET", "/socket.io/", &[], b"").await;
    assert_eq!(http.receive().await.status, 400, "the same connection");
    let begin = Instant::now();
    assert!(http.is_closed().await);
    let idle = begin.elapsed();
    assert!(idle > ms(500) && idle < ms(10_000), "{idle:?}");
}

/// A node that is given this socket as systemd gives it.
fn on(listener: &TcpListener, arguments: &[&str], environment: &[(&str, &str)]) -> Program {
    let give = r#"exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", give, env!("CARGO_BIN_EXE_actix-socketio")]).args(arguments);
    command.env("SOCKETIO_SERVER_DEMO", "false").envs(environment.iter().copied());
    Program::run_with(command, Stdio::from(OwnedFd::from(listener.try_clone().unwrap())))
}

#[tokio::test]
async fn a_socket_that_is_open_already_outlives_nodes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = listener.local_addr().unwrap();
    let address = Address { socket, tls: None, edge: None };
    for _ in 0..2 {
        // No node is there yet: the client waits.
        let mut early = Http::connect(&address).await;
        early.send("GET", "/socket.io/", &[], b"").await;
        let mut node = on(&listener, &["--port", "1"], &[]);
        assert_eq!(node.listens().await, socket);
        assert_eq!(early.receive().await.status, 400);
        let mut client = Client::connect(&address).await;
        node.signal("TERM");
        assert_eq!(client.packet().await, Err(Some(1001)));
        assert_eq!(node.ended().await.0, Some(0));
    }
    // With TLS, too.
    let identity = Identity::new();
    let files = Files::new("inherited");
    files.hold(&identity);
    let node = on(&listener, &[], &files.variables());
    let tls = Some(client_of(&identity, None));
    Client::connect(&Address { socket: node.listens().await, tls, edge: None }).await;

    let mut command = Command::new(env!("CARGO_BIN_EXE_actix-socketio"));
    command.env("LISTEN_FDS", "2");
    let mut node = Program::run(command);
    assert_eq!(node.ended().await.0, Some(1));
    node.logs("a node takes one").await;
}

#[tokio::test]
async fn the_supervisor_is_told() {
    // Their paths have to be short.
    let path = std::env::temp_dir().join(format!("socketio-{}.notify", std::process::id()));
    let socket = UnixDatagram::bind(&path).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = told.clone();
    let listening = std::thread::spawn(move || {
        let mut bytes = [0; 1000];
        while let Ok(length @ 1..) = socket.recv(&mut bytes) {
            sink.lock().unwrap().push(String::from_utf8_lossy(&bytes[..length]).into_owned());
        }
    });
    let file = path.to_str().unwrap();
    let variables = [("NOTIFY_SOCKET", file), ("WATCHDOG_USEC", "200000")];
    let mut node = Program::spawn(&["--port", "0"], &variables);
    let times = |text: &str| told.lock().unwrap().iter().filter(|told| told.contains(text)).count();
    until(|| times("READY=1") == 1).await;
    // It is true.
    let mut http = Http::connect(&node.address().await).await;
    http.send("GET", "/socket.io/", &[], b"").await;
    assert_eq!(http.receive().await.status, 400);
    until(|| times("WATCHDOG=1") > 3).await;
    node.signal("HUP");
    until(|| times("READY=1") == 2).await;
    assert_eq!((times("RELOADING=1\nMONOTONIC_USEC="), times("STOPPING=1")), (1, 0));
    node.signal("TERM");
    assert_eq!(node.ended().await.0, Some(0));
    UnixDatagram::unbound().unwrap().send_to(b"", &path).unwrap();
    listening.join().unwrap();
    assert_eq!((times("READY=1"), times("STOPPING=1")), (2, 1));
    std::fs::remove_file(&path).unwrap();
}

/// The exit code of the health check, and what it says.
async fn check(port: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["healthcheck"], arguments].concat();
    let mut check = Program::spawn(&arguments, &[("SOCKETIO_API_PORT", port)]);
    let code = check.ended().await.0;
    until(|| !check.said().is_empty() || !check.log().is_empty()).await;
    (code, check.said() + &check.log())
}

#[tokio::test]
async fn a_health_check_is_in_the_program() {
    let mut node = Node::with(&[], &[("SOCKETIO_DRAIN_WAIT", "15s"), ("SOCKETIO_DRAIN_SPREAD", "0s")]).await;
    let port = node.api.socket.port().to_string();
    assert_eq!(check(&port, &[]).await, (Some(0), "ready\n".to_owned()));
    assert_eq!(check(&port, &["--live"]).await, (Some(0), "ok\n".to_owned()));
    let mut client = node.client().await;
    node.program.signal("TERM");
    node.program.logs("no new sessions").await;
    let (code, says) = check(&port, &[]).await;
    assert!(code == Some(1) && says.contains("503, the node is draining"), "{says}");
    assert_eq!(check(&port, &["--live"]).await.0, Some(0));
    client.ws.close(1000).await;
    assert!(node.ended().await);
    assert_eq!(check(&port, &["--live"]).await.0, Some(1), "nobody is there");
    let (code, says) = check("", &[]).await;
    assert!(code == Some(1) && says.contains("api.port"), "{says}");
}
