//! Binary anywhere, raw JSON kept as it is, and the msgpack parser.

use actix_socketio::protocol::Parser;
use actix_socketio::test::TestClient;
use actix_socketio::{Args, Data, Refusal, Reply, Socket, SocketIo};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct File {
    name: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Part {
    data: Bytes,
}

fn file() -> File {
    let part = |data: &'static [u8]| Part { data: Bytes::from_static(data) };
    File { name: "f".to_owned(), parts: vec![part(b"\x00\x01\xff"), part(b""), part(b"text")] }
}

fn server(parser: Parser) -> SocketIo {
    let io = SocketIo::builder().parser(parser).build();
    io.of("/")
        .middleware(|Data(auth): Data<serde_json::Value>| async move {
            if auth["refuse"] == true { Err(Refusal::new("no").data(&json!({"code": 1}))) } else { Ok(()) }
        })
        .on("echo", |args: Args| async move { args })
        .on("typed", |Data((file, tail)): Data<(File, Bytes)>| async move {
            assert_eq!(tail, b"tail"[..]);
            Reply((file.parts.len(), file))
        })
        .on("back", |socket: Socket, args: Args| async move { socket.emit("back", &args).await })
        .on("ask", |socket: Socket, args: Args| async move {
            socket.emit_with_ack::<Args, _>("question", &args).await.unwrap()
        });
    io
}

#[actix_web::test]
async fn the_same_data_through_either_parser() {
    for parser in [Parser::Json, Parser::MsgPack] {
        let io = server(parser);
        let refused = TestClient::builder(&io).auth(&json!({"refuse": true})).connect().await.unwrap_err();
        assert_eq!(refused.to_string(), "connection to the namespace refused: no");
        let client = TestClient::connect(&io).await.unwrap();
        let other = TestClient::connect(&io).await.unwrap();
        let data = (file(), Bytes::from_static(b"tail"));
        let echoed: (File, Bytes) = client.emit_with_ack("echo", &data).await.unwrap();
        assert_eq!(echoed, data, "{parser:?}");
        let typed: (usize, File) = client.emit_with_ack("typed", &data).await.unwrap();
        assert_eq!(typed, (3, file()), "{parser:?}");
        client.emit("back", &data).await.unwrap();
        assert_eq!(client.expect::<(File, Bytes)>("back").await.unwrap(), data, "{parser:?}");
        let (answer, asked) = tokio::join!(
            client.emit_with_ack::<(File, Bytes), _>("ask", &data),
            client.answer::<(File, Bytes), _>("question", &data)
        );
        assert_eq!((answer.unwrap(), asked.unwrap()), (data.clone(), data.clone()), "{parser:?}");
        io.emit("all", &data).await.unwrap();
        assert_eq!(client.expect::<(File, Bytes)>("all").await.unwrap(), data, "{parser:?}");
        assert_eq!(other.expect::<(File, Bytes)>("all").await.unwrap(), data, "{parser:?}");
        other.disconnect().await;
        client.expect_nothing().await.unwrap();
    }
}

#[actix_web::test]
async fn json_stays_as_it_came() {
    let io = server(Parser::Json);
    io.of("/").on("raw", |Data(raw): Data<Box<RawValue>>| async move { Reply(raw) });
    let client = TestClient::connect(&io).await.unwrap();
    for json in [
        r#"[{"z":1,"a":2,"m":{"y":0,"b":[]}}]"#,
        "[1.0,1e400,-0.0,12345678901234567890123456789,0.1000000000000000055511151231257827]",
        r#"["\u00e9é\ud83d\ude00","\/"]"#,
        "[null,true,[],{}]",
    ] {
        let args = Args::from_json(json, Vec::new()).unwrap();
        let answer: Args = client.emit_with_ack("echo", &args).await.unwrap();
        assert_eq!(&*answer.to_json().unwrap().0, json);
        client.emit("back", &args).await.unwrap();
        assert_eq!(&*client.expect::<Args>("back").await.unwrap().to_json().unwrap().0, json);
        let first = args.get(0).unwrap();
        let answer: Args = client.emit_with_ack("raw", &first).await.unwrap();
        assert_eq!(answer.to_json().unwrap().0, first.to_json().unwrap().0);
    }
}

#[actix_web::test]
async fn attachments_of_json_are_bounded() {
    let io = SocketIo::builder().max_attachments(2).build();
    io.of("/").on("count", |args: Args| async move { args.attachments().len() });
    let client = TestClient::connect(&io).await.unwrap();
    let bytes = Bytes::from_static(b"x");
    let two = (bytes.clone(), bytes.clone());
    assert_eq!(client.emit_with_ack::<usize, _>("count", &two).await.unwrap(), 2);
    client.emit("count", &(bytes.clone(), bytes.clone(), bytes)).await.unwrap();
    assert_eq!(client.expect_disconnect().await.unwrap().as_str(), "forced close");
}
