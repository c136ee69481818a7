//! The security floor: known advisories against implementations of these protocols, one test a row, and more of
//! the same kind. Every test has a bystander on the same server who must not notice anything.

use std::time::{Duration, Instant};

use actix_socketio::config::{Config, EngineConfig};
use actix_socketio::protocol::Args;
use actix_socketio::{Ack, DisconnectReason, Socket, SocketIo, State};
use std::sync::{Arc, Mutex};

use crate::support::http::{get, request};
use crate::support::ws::{FIN, TEXT, frame};
use crate::support::{Frame, Http, IoServer, Polling, Variant, Ws, eventually, matrix};

matrix![
    cve_2026_33151_unbounded_attachments,
    cve_2026_33151_the_limit_is_configurable,
    cve_2026_69185_zero_attachments,
    cve_2026_59725_binary_post_ends,
    ghsa_gr94_unknown_session_on_the_upgrade_path,
    cve_2026_48779_tiny_fragments,
    ghsa_55mf_attachments_before_connect_are_bounded,
    ghsa_55mf_attachments_that_never_come_time_out,
    cve_2026_48802_connections_that_never_connect,
    cve_2024_38355_reserved_and_odd_event_names,
    cve_2023_32695_event_names_that_are_no_text,
    cve_2022_2421_placeholders_that_are_none,
    cve_2020_28481_no_cors_by_default,
    deep_nesting_is_an_error,
    malformed_packets_close,
    what_is_not_allowed_in_its_state_closes,
    namespaces_of_a_connection_are_bounded,
    garbage_instead_of_http_hurts_nobody,
    bodies_that_nobody_reads_do_not_keep_connections,
];

/// The reasons of all sockets that went.
type Reasons = Arc<Mutex<Vec<DisconnectReason>>>;

struct Floor {
    server: IoServer,
    bystander: Ws,
    reasons: Reasons,
}

impl Floor {
    async fn start(
        variant: Variant,
        change: impl FnOnce(&mut Config),
        change_engine: impl FnOnce(&mut EngineConfig),
    ) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let mut engine = EngineConfig::default();
        engine.path = "/socket.io/".to_owned();
        change_engine(&mut engine);
        let reasons = Reasons::default();
        let io = SocketIo::builder().config(config).engine_config(engine).state(reasons.clone()).build();
        io.of("/")
            .on("echo", |args: Args, ack: Ack| async move {
                let _ = ack.send(&args);
            })
            .on("back", |socket: Socket, args: Args| async move {
                let _ = socket.emit("back", &args).await;
            })
            .on_disconnect(|reason: DisconnectReason, reasons: State<Reasons>| async move {
                reasons.lock().unwrap().push(reason);
            });
        io.of_pattern("/many-{number}").expect("a pattern");
        let server = IoServer::start(variant, io);
        let bystander = server.connect().await;
        Self { server, bystander, reasons }
    }

    /// Sends `packets` in the namespace `/`; the connection has to end with `forced close`, and nothing else.
    async fn assert_refused(&mut self, packets: &[&str]) {
        self.reasons.lock().unwrap().clear();
        let mut ws = self.server.connect().await;
        for packet in packets {
            ws.send(packet).await;
        }
        loop {
            match ws.receive().await {
                Frame::Close(_) | Frame::End => break,
                Frame::Text(text) => panic!("{packets:?} was answered: {text}"),
                _ => {}
            }
        }
        let reasons = self.reasons.clone();
        eventually("a reason", || (!reasons.lock().unwrap().is_empty()).then_some(())).await;
        assert_eq!(*self.reasons.lock().unwrap(), [DisconnectReason::ForcedClose], "{packets:?}");
        self.server.assert_serves(&mut self.bystander).await;
    }
}

async fn cve_2026_33151_unbounded_attachments(variant: Variant) {
    let mut floor = Floor::start(variant, |_| {}, |_| {}).await;
    for announced in ["11", "1000", "4294967295", "4294967296", "99999999999999999999"] {
        floor.assert_refused(&[&format!(r#"45{announced}-["back","x"]"#)]).await;
        floor.assert_refused(&[&format!(r#"46{announced}-1["x"]"#)]).await;
    }
    // Ten are fine.
    let mut ws = floor.server.connect().await;
    let placeholders: Vec<_> =
        (0..10).map(|number| format!(r#"{{"_placeholder":true,"num":{number}}}"#)).collect();
    let header = format!(r#"4510-["back",{}]"#, placeholders.join(","));
    ws.send(&header).await;
    for number in 0..10 {
        ws.send_binary(&[number]).await;
    }
    assert_eq!(ws.text().await, header);
    for number in 0..10 {
        assert_eq!(ws.binary().await, [number]);
    }
}

async fn cve_2026_33151_the_limit_is_configurable(variant: Variant) {
    let mut floor = Floor::start(variant, |config| config.max_attachments = 2, |_| {}).await;
    floor.assert_refused(&[r#"453-["back","x"]"#]).await;
    let mut floor = Floor::start(variant, |config| config.max_attachments = 20, |_| {}).await;
    let mut ws = floor.server.connect().await;
    let placeholders: Vec<_> =
        (0..20).map(|number| format!(r#"{{"_placeholder":true,"num":{number}}}"#)).collect();
    let header = format!(r#"4520-["back",{}]"#, placeholders.join(","));
    ws.send(&header).await;
    for number in 0..20 {
        ws.send_binary(&[number]).await;
    }
    assert_eq!(ws.text().await, header);
    floor.assert_refused(&[r#"4521-["back","x"]"#]).await;
}

/// A packet without attachments is complete at once, and no binary may follow it.
async fn cve_2026_69185_zero_attachments(variant: Variant) {
    let floor = Floor::start(variant, |_| {}, |_| {}).await;
    let mut ws = floor.server.connect().await;
    ws.send(r#"450-5["echo","complete"]"#).await;
    assert_eq!(ws.text().await, r#"435["complete"]"#);
    ws.send_binary(&[1, 2, 3]).await;
    ws.ended().await;
    let mut ws = floor.server.connect().await;
    ws.send_binary(&[1, 2, 3]).await;
    ws.ended().await;
    let mut floor = floor;
    let mut ws = floor.server.connect().await;
    ws.send(r#"451-["back",{"_placeholder":true,"num":0}]"#).await;
    ws.send(r#"42["back","in between"]"#).await;
    ws.ended().await;
    floor.server.assert_serves(&mut floor.bystander).await;
}

async fn cve_2026_59725_binary_post_ends(variant: Variant) {
    let mut floor = Floor::start(variant, |_| {}, |_| {}).await;
    let polling = Polling::open_at(&floor.server.address, "/socket.io/", "").await;
    let response = polling.post_with(&[("Content-Type", "application/octet-stream")], &[0, 1, 255, 4]).await;
    assert_eq!(response.status, 400);
    polling.gone().await;
    floor.server.assert_serves(&mut floor.bystander).await;
}

async fn ghsa_gr94_unknown_session_on_the_upgrade_path(variant: Variant) {
    let mut floor = Floor::start(variant, |_| {}, |_| {}).await;
    for sid in ["unknown", "", "__proto__", "constructor", "%ff%fe", "%00", "a&sid=b"] {
        for transport in ["websocket", "polling", "webtransport"] {
            let target = format!("/socket.io/?EIO=4&transport={transport}&sid={sid}");
            let refusal = match Ws::try_open(&floor.server.address, &target, &[]).await {
                Ok(_) => panic!("{target} opened a websocket"),
                Err(refusal) => refusal,
            };
            assert_eq!(refusal.status, 400);
            let code = match transport {
                "websocket" => 1,
                "polling" => 3,
                _ => 0,
            };
            assert_eq!(refusal.json()["code"], code, "{target}");
        }
    }
    floor.server.assert_serves(&mut floor.bystander).await;
}

async fn cve_2026_48779_tiny_fragments(variant: Variant) {
    let mut floor = Floor::start(variant, |_| {}, |_| {}).await;
    let mut ws = floor.server.connect().await;
    let mut bytes = frame(TEXT, b"4");
    for _ in 0..100_000 {
        bytes.extend(frame(0, b"2"));
    }
    let sending = async {
        use tokio::io::AsyncWriteExt as _;
        let _ = tokio::time::timeout(Duration::from_secs(5), ws.http.io().write_all(&bytes)).await;
        ws.closed().await
    };
    let code = sending.await;
    assert!(matches!(code, Some(1009) | None), "{code:?}");
    floor.server.assert_serves(&mut floor.bystander).await;
}

async fn ghsa_55mf_attachments_before_connect_are_bounded(variant: Variant) {
    let mut floor = Floor::start(variant, |config| config.max_packet_bytes = 10_000, |_| {}).await;
    // A connection that has joined no namespace.
    let mut ws = floor.server.open().await;
    ws.send(r#"455-["back",{"_placeholder":true,"num":0}]"#).await;
    for _ in 0..3 {
        ws.frame(FIN | 2, &[7; 4_000]).await;
    }
    ws.ended().await;
    // Nor may a connected one send more than that.
    floor.assert_refused_binary(r#"455-["back","x"]"#, &[&[7; 4_000], &[7; 4_000], &[7; 4_000]]).await;
    floor.assert_refused(&[&format!(r#"42["back","{}"]"#, "x".repeat(10_000))]).await;
}

impl Floor {
    async fn assert_refused_binary(&mut self, header: &str, attachments: &[&[u8]]) {
        let mut ws = self.server.connect().await;
        ws.send(header).await;
        for attachment in attachments {
            ws.send_binary(attachment).await;
        }
        ws.ended().await;
        self.server.assert_serves(&mut self.bystander).await;
    }
}

async fn ghsa_55mf_attachments_that_never_come_time_out(variant: Variant) {
    let mut floor =
        Floor::start(variant, |config| config.packet_timeout = Duration::from_millis(300), |_| {}).await;
    let mut ws = floor.server.connect().await;
    let begin = Instant::now();
    ws.send(r#"452-["back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#).await;
    ws.send_binary(&[1]).await;
    ws.ended().await;
    assert!(begin.elapsed() >= Duration::from_millis(290));
    assert!(begin.elapsed() < Duration::from_secs(15), "long before the ping timeout");
    let mut ws = floor.server.open().await;
    ws.send(r#"452-["back","x"]"#).await;
    ws.ended().await;
    floor.server.assert_serves(&mut floor.bystander).await;
}

async fn cve_2026_48802_connections_that_never_connect(variant: Variant) {
    let mut floor =
        Floor::start(variant, |config| config.connect_timeout = Duration::from_millis(400), |_| {}).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(floor.server.open().await);
        idle.push({
            let polling = Polling::open_at(&floor.server.address, "/socket.io/", "").await;
            polling.websocket().await
        });
    }
    for ws in &mut idle {
        ws.ended().await;
    }
    let io = floor.server.io.clone();
    let begin = Instant::now();
    while io.connection_count() > 21 {
        assert!(begin.elapsed() < Duration::from_secs(20), "{} connections", io.connection_count());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    floor.server.assert_serves(&mut floor.bystander).await;
}

async fn cve_2024_38355_reserved_and_odd_event_names(variant: Variant) {
    let mut floor = Floor::start(variant, |_| {}, |_| {}).await;
    for name in ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"] {
        floor.assert_refused(&[&format!(r#"42["{name}"]"#)]).await;
        floor.assert_refused(&[&format!(r#"427["{name}","x"]"#)]).await;
        floor.assert_refused(&[&format!(r#"450-["{name}"]"#)]).await;
    }
    floor.assert_refused(&[r#"42["\u0063onnect"]"#]).await;
    // Odd, but names.
    let mut ws = floor.server.connect().await;
    for name in ["__proto__", "constructor", "", "error", "toString"] {
        ws.send(&format!(r#"42["{name}",1]"#)).await;
    }
    floor.server.assert_serves(&mut ws).await;
}

async fn cve_2023_32695_event_names_that_are_no_text(variant: Variant) {
    let mut floor = Floor::start(variant, |_| {}, |_| {}).await;
    for payload in [
        "[null]",
        "[true]",
        "[{}]",
        r#"[{"toString":"x"}]"#,
        r#"[["a"]]"#,
        "[]",
        "{}",
        "null",
        r#""text""#,
        "1",
        r#"{"0":"a","length":1}"#,
        "",
    ] {
        floor.assert_refused(&[&format!("42{payload}")]).await;
    }
    let placeholder = r#"451-[{"_placeholder":true,"num":0}]"#;
    floor.assert_refused_binary(placeholder, &[b"connect"]).await;
}

async fn cve_2022_2421_placeholders_that_are_none(variant: Variant) {
    let mut floor = Floor::start(variant, |_| {}, |_| {}).await;
    for number in ["1", "-1", "0.5", "\"0\"", "\"splice\"", "null", "true", "[0]", "{}", "1e99", "4294967296"]
    {
        let header = format!(r#"451-["back",{{"_placeholder":true,"num":{number}}}]"#);
        floor.assert_refused_binary(&header, &[&[1, 2, 3]]).await;
    }
    floor.assert_refused_binary(r#"451-["back",{"_placeholder":true}]"#, &[&[1, 2, 3]]).await;
    // In a packet without attachments it is data like any other, or an error; never bytes of somebody else.
    let mut ws = floor.server.connect().await;
    ws.send(r#"421["echo",{"_placeholder":true,"num":0}]"#).await;
    match ws.receive().await {
        Frame::Text(text) => assert_eq!(text, r#"431[{"_placeholder":true,"num":0}]"#),
        Frame::Close(_) | Frame::End => {}
        other => panic!("{other:?}"),
    }
}

async fn cve_2020_28481_no_cors_by_default(variant: Variant) {
    let floor = Floor::start(variant, |_| {}, |_| {}).await;
    let target = "/socket.io/?EIO=4&transport=polling";
    let origin = [("Origin", "https://evil.example")];
    let response = request(&floor.server.address, "GET", target, &origin, b"").await;
    assert_eq!(response.status, 200);
    let preflight = [origin[0], ("Access-Control-Request-Method", "POST")];
    let preflight = request(&floor.server.address, "OPTIONS", target, &preflight, b"").await;
    for response in [response, preflight] {
        assert!(
            response.headers.iter().all(|(name, _)| !name.starts_with("access-control-")),
            "{:?}",
            response.headers
        );
    }
}

async fn deep_nesting_is_an_error(variant: Variant) {
    let mut floor = Floor::start(variant, |_| {}, |_| {}).await;
    let (arrays, objects) = ("[".repeat(100_000), r#"{"a":"#.repeat(100_000));
    for nested in [&arrays, &objects] {
        floor.assert_refused(&[&format!(r#"42["back",{nested}"#)]).await;
        floor.assert_refused(&[&format!(r#"451-["back",{nested}"#)]).await;
    }
    let closed = format!(r#"42["back",{}1{}]"#, "[".repeat(100_000), "]".repeat(100_000));
    floor.assert_refused(&[&closed]).await;
    // In the auth of a CONNECT too.
    let mut ws = floor.server.open().await;
    ws.send(&format!(r#"40{{"a":{}"#, "[".repeat(100_000))).await;
    ws.ended().await;
    floor.server.assert_serves(&mut floor.bystander).await;
}

async fn malformed_packets_close(variant: Variant) {
    let mut floor = Floor::start(variant, |_| {}, |_| {}).await;
    for packet in [
        "4",
        "49",
        "4x",
        "42",
        r#"42["back""#,
        r#"42["back",]"#,
        r#"42["back"]x"#,
        r#"42["back",01]"#,
        r#"42["back",NaN]"#,
        r#"42["\ud800"#,
        "43",
        "431",
        r#"431{"a":1}"#,
        r#"45["back"]"#,
        r#"45-["back"]"#,
        r#"45x-["back"]"#,
        r#"451["back"]"#,
        r#"4299999999999999999999["back"]"#,
    ] {
        let packet = if packet.starts_with('4') { packet.to_owned() } else { format!("4{packet}") };
        floor.assert_refused(&[&packet]).await;
    }
}

async fn what_is_not_allowed_in_its_state_closes(variant: Variant) {
    let mut floor = Floor::start(variant, |_| {}, |_| {}).await;
    floor.assert_refused(&["40"]).await;
    floor.assert_refused(&["44"]).await;
    floor.assert_refused(&[r#"44{"message":"x"}"#]).await;
    for packet in [r#"42["back"]"#, "431[1]", "41", r#"42/many-1,["back"]"#, r#"40"text""#, "40[1"] {
        let mut ws = floor.server.open().await;
        ws.send(packet).await;
        let frame = ws.receive().await;
        assert!(matches!(frame, Frame::Close(_) | Frame::End), "{packet}: {frame:?}");
    }
    floor.server.assert_serves(&mut floor.bystander).await;
}

async fn namespaces_of_a_connection_are_bounded(variant: Variant) {
    let mut floor = Floor::start(variant, |config| config.max_namespaces = 5, |_| {}).await;
    let mut ws = floor.server.connect().await;
    for number in 0..10 {
        ws.send(&format!("40/many-{number},")).await;
        let answer = ws.text().await;
        let prefix = if number < 4 { "40" } else { "44" };
        assert!(answer.starts_with(&format!("{prefix}/many-{number},")), "{answer}");
    }
    floor.server.assert_serves(&mut ws).await;
    floor.server.assert_serves(&mut floor.bystander).await;
    // Names that do not exist leave nothing behind either.
    for number in 0..10 {
        ws.send(&format!("40/none-{number},")).await;
        assert!(ws.text().await.starts_with("44/none-"));
    }
    floor.server.assert_serves(&mut ws).await;
}

async fn garbage_instead_of_http_hurts_nobody(variant: Variant) {
    let mut floor = Floor::start(variant, |_| {}, |_| {}).await;
    let garbage: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        b"CONNECT socket.io:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ];
    for bytes in garbage {
        let mut http = Http::connect(&floor.server.address).await;
        http.write(bytes).await;
        if let Some(response) = http.try_receive().await {
            assert!((400..500).contains(&response.status), "{bytes:?}: {}", response.status);
        }
        floor.server.assert_serves(&mut floor.bystander).await;
    }
    let long = format!("/socket.io/?EIO=4&transport=polling&x={}", "y".repeat(60_000));
    let status = get(&floor.server.address, &long).await.status;
    assert!(status == 200 || (400..500).contains(&status), "{status}");
    floor.server.assert_serves(&mut floor.bystander).await;
}

/// Each of them is answered at once: what comes of the body after that, or does not, is nobody's concern.
async fn bodies_that_nobody_reads_do_not_keep_connections(variant: Variant) {
    let mut floor = Floor::start(variant, |_| {}, |_| {}).await;
    for head in [
        "POST /nowhere",
        "POST /refused",
        "GET /socket.io/?EIO=4&transport=polling",
        "POST /socket.io/?EIO=4&transport=polling",
        "POST /socket.io/?EIO=4&transport=polling&sid=nobody",
    ] {
        let mut http = Http::connect(&floor.server.address).await;
        let text = format!("{head} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
        http.write(text.as_bytes()).await;
        let answer = http.receive().await;
        assert_eq!(answer.header("connection"), Some("close"), "{head}");
        assert!(http.is_closed().await, "{head}");
    }
    // One that is read costs the connection nothing.
    let polling = Polling::open_at(&floor.server.address, "/socket.io/", "").await;
    let mut http = Http::connect(&floor.server.address).await;
    for packet in ["40", "41"] {
        let target = polling.target("polling");
        let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        http.write(format!("{head}2\r\n{packet}\r\n0\r\n\r\n").as_bytes()).await;
        assert_eq!(http.receive().await.status, 200);
    }
    floor.server.assert_serves(&mut floor.bystander).await;
}
