//! How events are handled: order, registration, filters, errors, panics.

use std::sync::Arc;

use actix_socketio::test::TestClient;
use actix_socketio::{Ack, Args, Data, Event, Refusal, Socket, SocketIo, concurrent};
use serde::{Serialize, Serializer};

use crate::{Seen, capture_log, ms, until};

#[actix_web::test]
async fn connect_comes_first_then_events_one_at_a_time_in_order() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let (connect, event) = (seen.clone(), seen.clone());
    io.of("/")
        .on_connect(move || {
            let seen = connect.clone();
            async move {
                tokio::time::sleep(ms(30)).await;
                seen.push("connected");
            }
        })
        .on("n", move |Data(number): Data<u64>| {
            let seen = event.clone();
            async move {
                seen.push(format!("begin {number}"));
                // Later ones would overtake if they could.
                tokio::time::sleep(ms(10u64.saturating_sub(number * 5))).await;
                seen.push(format!("end {number}"));
            }
        });
    let client = TestClient::connect(&io).await.unwrap();
    for number in 0..3 {
        client.emit("n", &number).await.unwrap();
    }
    let expected = ["connected", "begin 0", "end 0", "begin 1", "end 1", "begin 2", "end 2"];
    assert_eq!(seen.wait(7).await, expected);
}

#[actix_web::test]
async fn concurrent_handlers_overtake() {
    let io = SocketIo::new();
    io.of("/").on(
        "n",
        concurrent(|socket: Socket, Data(number): Data<u64>| async move {
            tokio::time::sleep(ms(60 - number * 25)).await;
            socket.emit("done", &number).await.unwrap();
        }),
    );
    let client = TestClient::connect(&io).await.unwrap();
    for number in 0..3u64 {
        client.emit("n", &number).await.unwrap();
    }
    for number in [2, 1, 0] {
        assert_eq!(client.expect::<u64>("done").await.unwrap(), number);
    }
}

#[actix_web::test]
async fn sockets_do_not_wait_for_each_other() {
    let io = SocketIo::new();
    io.of("/").on("wait", |Data(time): Data<u64>| async move {
        tokio::time::sleep(ms(time)).await;
        "done"
    });
    let (one, two) = (TestClient::connect(&io).await.unwrap(), TestClient::connect(&io).await.unwrap());
    one.emit("wait", &10_000).await.unwrap();
    let answer: String = two.emit_with_ack("wait", &1).await.unwrap();
    assert_eq!(answer, "done");
}

#[actix_web::test]
async fn once_off_and_several_handlers() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let note = |what: &'static str| {
        let seen = seen.clone();
        move || {
            seen.push(what);
            async {}
        }
    };
    io.of("/").on("x", note("one")).once("x", note("once")).on("x", note("two")).on("y", note("y"));
    let (a, b) = (TestClient::connect(&io).await.unwrap(), TestClient::connect(&io).await.unwrap());
    a.emit("x", &()).await.unwrap();
    assert_eq!(seen.wait(3).await, ["one", "once", "two"]);
    b.emit("x", &()).await.unwrap();
    assert_eq!(seen.wait(5).await[3..], ["one", "two"]);
    io.of("/").off("x");
    a.emit("x", &()).await.unwrap();
    a.emit("y", &()).await.unwrap();
    assert_eq!(seen.wait(6).await[5..], ["y"]);
}

#[actix_web::test]
async fn a_socket_may_have_handlers_of_its_own() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let of_connect = seen.clone();
    io.of("/").on("x", || async { "namespace" }).on_connect(move |socket: Socket| {
        let seen = of_connect.clone();
        async move {
            if socket.handshake().query("special").is_none() {
                return;
            }
            let (x, once, any, gone, filtered) =
                (seen.clone(), seen.clone(), seen.clone(), seen.clone(), seen.clone());
            socket.on("own", |Data(number): Data<i32>| async move { number + 1 });
            socket.on("x", move || {
                x.push("own x");
                async {}
            });
            socket.once("x", move || {
                once.push("once x");
                async {}
            });
            socket.on_any(move |Event(name): Event| {
                any.push(format!("any {name}"));
                async {}
            });
            socket.filter(move |_, event, _| {
                filtered.push(format!("filter {event}"));
                async move { if event == "secret" { Err(Refusal::new("no")) } else { Ok(()) } }
            });
            socket.on_disconnect(move || {
                gone.push("gone");
                async {}
            });
        }
    });
    let special = TestClient::builder(&io).query("special", "1").connect().await.unwrap();
    let plain = TestClient::builder(&io).timeout(ms(100)).connect().await.unwrap();
    assert_eq!(special.emit_with_ack::<i32, _>("own", &1).await.unwrap(), 2);
    assert!(plain.emit_with_ack::<i32, _>("own", &1).await.is_err());
    seen.clear();
    let _: String = special.emit_with_ack("x", &()).await.unwrap();
    let _: String = special.emit_with_ack("x", &()).await.unwrap();
    let _: String = plain.emit_with_ack("x", &()).await.unwrap();
    let expected = ["any x", "filter x", "own x", "once x", "any x", "filter x", "own x"];
    assert_eq!(seen.wait(7).await, expected);
    seen.clear();
    let socket = io.of("/").socket(special.id()).await.unwrap();
    socket.off("x");
    let _: String = special.emit_with_ack("x", &()).await.unwrap();
    special.close().await;
    assert_eq!(seen.wait(3).await, ["any x", "filter x", "gone"]);
}

#[actix_web::test]
async fn a_filter_sees_every_event_and_may_keep_it_back() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let of_handler = seen.clone();
    io.of("/")
        .filter(|socket, event, args: Args| async move {
            assert!(event != "panic", "on purpose");
            if event == "secret" && args.deserialize::<String>().ok().as_deref() != Some("please") {
                socket.emit("refused", &event).await.unwrap();
                return Err("no".into());
            }
            Ok(())
        })
        .on("panic", || async { "never" })
        .on("secret", move |Data(word): Data<String>| {
            of_handler.push(word);
            async {}
        });
    let client = TestClient::connect(&io).await.unwrap();
    client.emit("panic", &()).await.unwrap();
    client.emit("secret", "now").await.unwrap();
    assert_eq!(client.expect::<String>("refused").await.unwrap(), "secret");
    client.emit("secret", "please").await.unwrap();
    assert_eq!(seen.wait(1).await, ["please"]);
}

#[actix_web::test]
async fn on_any_and_fallback() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let of_any = seen.clone();
    io.of("/")
        .on_any(move |Event(name): Event, args: Args| {
            of_any.push(format!("{name} {}", args.len()));
            async {}
        })
        .on("known", || async { "known" })
        .fallback(|Event(name): Event| async move { format!("fallback {name}") });
    let client = TestClient::connect(&io).await.unwrap();
    assert_eq!(client.emit_with_ack::<String, _>("known", &(1, 2)).await.unwrap(), "known");
    assert_eq!(client.emit_with_ack::<String, _>("other", &()).await.unwrap(), "fallback other");
    assert_eq!(seen.all(), ["known 2", "other 0"]);
}

#[actix_web::test]
async fn failures_are_logged_with_sid_and_event() {
    let (log, _guard) = capture_log();
    let io = SocketIo::new();
    io.of("/")
        .on("fails", || async { Err::<i32, _>("out of luck") })
        .on("typed", |Data(_): Data<i32>| async {})
        .on("panics", || async { on_purpose() })
        .on("panics at once", |_: Socket| {
            assert!(std::env::args().count() == 0, "on purpose, too");
            async {}
        })
        .on("fine", || async { "fine" });
    let client = TestClient::connect(&io).await.unwrap();
    for event in ["fails", "panics", "panics at once"] {
        client.emit(event, &()).await.unwrap();
    }
    client.emit("typed", "not a number").await.unwrap();
    assert_eq!(client.emit_with_ack::<String, _>("fine", &()).await.unwrap(), "fine");
    let log = log.all();
    for (event, level, message) in [
        ("fails", "WARN", "out of luck"),
        ("panics", "ERROR", "on purpose"),
        ("panics at once", "ERROR", "on purpose, too"),
        ("typed", "WARN", "event not understood"),
    ] {
        let found = log.iter().any(|line| {
            line.starts_with(level)
                && line.contains(message)
                && line.contains(client.id())
                && line.contains(&format!("{event:?}"))
        });
        assert!(found, "{event}: {log:#?}");
    }
}

#[actix_web::test]
async fn whatever_of_the_application_panics_costs_its_own_event_only() {
    struct Bomb;
    impl Serialize for Bomb {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("on purpose")
        }
    }
    let io = SocketIo::new();
    io.of("/")
        .actor(|_| -> crate::actors::Idle { panic!("on purpose") })
        .on_any_outgoing(|_, event, _| assert!(event != "bomb", "on purpose"))
        .on_room_event(|_| panic!("on purpose"))
        .on_connect(|| async { on_purpose() })
        .on("reply", || async { actix_socketio::Reply(Bomb) })
        .on("emit", |socket: Socket| async move {
            socket.emit("x", &Bomb).await.unwrap();
        })
        .on("join", |socket: Socket| async move {
            socket.join("room").await.unwrap();
            "joined"
        })
        .on_disconnecting(|| async { on_purpose() });
    let (client, other) = (TestClient::connect(&io).await.unwrap(), TestClient::connect(&io).await.unwrap());
    client.emit("reply", &()).await.unwrap();
    client.emit("emit", &()).await.unwrap();
    io.emit("bomb", &1).await.unwrap();
    assert_eq!(client.expect::<i32>("bomb").await.unwrap(), 1);
    assert_eq!(other.expect::<i32>("bomb").await.unwrap(), 1);
    assert_eq!(client.emit_with_ack::<String, _>("join", &()).await.unwrap(), "joined");
    io.to("room").emit("hello", &1).await.unwrap();
    assert_eq!(client.expect::<i32>("hello").await.unwrap(), 1);
    client.close().await;
    until(|| io.of("/").socket_count() == 1 && io.of("/").room_names_here().is_empty()).await;
}

#[actix_web::test]
async fn an_idle_socket_costs_no_closures() {
    let io = SocketIo::new();
    let captured = Arc::new(());
    for event in ["a", "b", "c"] {
        let captured = captured.clone();
        io.of("/").on(event, move || {
            let captured = captured.clone();
            async move { drop(captured) }
        });
    }
    let registered = Arc::strong_count(&captured);
    assert_eq!(registered, 4);
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(TestClient::connect(&io).await.unwrap());
    }
    assert_eq!(Arc::strong_count(&captured), registered);
    for client in &clients {
        client.emit("a", &()).await.unwrap();
    }
    clients[49].expect_nothing().await.unwrap();
    assert_eq!(Arc::strong_count(&captured), registered);
}

#[actix_web::test]
async fn reserved_names_are_refused_on_the_way_out() {
    let io = SocketIo::new();
    let client = TestClient::connect(&io).await.unwrap();
    let socket = io.of("/").socket(client.id()).await.unwrap();
    for name in ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"] {
        assert!(io.emit(name, &1).await.is_err(), "{name}");
        assert!(socket.emit(name, &1).await.is_err(), "{name}");
        assert!(socket.emit_with_ack::<i32, _>(name, &1).await.is_err(), "{name}");
        assert!(client.emit(name, &1).await.is_err(), "{name}");
    }
    client.expect_nothing().await.unwrap();
}

#[actix_web::test]
async fn the_acknowledgement_may_be_kept_and_is_given_once() {
    let io = SocketIo::new();
    let seen = Seen::default();
    let of_handler = seen.clone();
    io.of("/")
        .on("later", |ack: Ack| async move {
            actix_web::rt::spawn(async move {
                tokio::time::sleep(ms(20)).await;
                ack.send(&("at", "last")).unwrap();
            });
        })
        .on("twice", move |ack: Ack| {
            let seen = of_handler.clone();
            async move {
                seen.push(ack.is_wanted().to_string());
                ack.clone().send(&1).unwrap();
                seen.push(ack.send(&2).is_ok().to_string());
                3
            }
        });
    let client = TestClient::connect(&io).await.unwrap();
    let answer: (String, String) = client.emit_with_ack("later", &()).await.unwrap();
    assert_eq!(answer, ("at".to_owned(), "last".to_owned()));
    assert_eq!(client.emit_with_ack::<i32, _>("twice", &()).await.unwrap(), 1);
    client.emit("twice", &()).await.unwrap();
    assert_eq!(seen.wait(4).await, ["true", "false", "false", "true"]);
    client.expect_nothing().await.unwrap();
}

fn on_purpose() {
    panic!("on purpose");
}
