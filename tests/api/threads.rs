//! Sockets on several worker threads, and calls from threads of the application's own.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_socketio::{Data, Socket, SocketIo};
use serde::{Serialize, Serializer};

use crate::raw::{RawClient, Running};
use crate::runtimes::block_on;
use crate::{Seen, ms, until};

fn server() -> SocketIo {
    let io = SocketIo::new();
    io.of("/").on("thread", || async { format!("{:?}", std::thread::current().id()) }).on(
        "join",
        |socket: Socket, Data(room): Data<String>| async move {
            socket.join(room).await.unwrap();
            "ok"
        },
    );
    io
}

/// Clients, on as many threads as there are workers.
async fn clients(running: &Running, count: usize, workers: usize) -> Vec<RawClient> {
    let (mut clients, mut threads) = (Vec::new(), HashSet::new());
    for _ in 0..count {
        let mut client = RawClient::connect(running.address).await;
        threads.insert(client.ask("thread").await);
        clients.push(client);
    }
    assert_eq!(threads.len(), workers);
    clients
}

#[actix_web::test]
async fn what_is_emitted_later_arrives_later() {
    for workers in [1, 3] {
        let io = server();
        let running = Running::workers(&io, workers);
        let mut clients = clients(&running, 6, workers).await;
        io.sockets_join("room").await;
        let mut sockets = Vec::new();
        for client in &clients {
            sockets.push(io.of("/").socket(&client.id).await.unwrap());
        }
        const ROUNDS: usize = 200;
        let emitting = io.clone();
        // From a thread of its own, every way of emitting in turn.
        let emitter = std::thread::spawn(move || {
            block_on(async {
                for round in (0..ROUNDS * 5).step_by(5) {
                    emitting.to("room").emit("n", &round).await.unwrap();
                    for socket in &sockets {
                        socket.emit("n", &(round + 1)).await.unwrap();
                    }
                    emitting.emit("n", &(round + 2)).await.unwrap();
                    emitting.to(["room", "none"]).emit("n", &(round + 3)).await.unwrap();
                    for socket in &sockets {
                        emitting.to(socket.id()).emit("n", &(round + 4)).await.unwrap();
                    }
                }
            })
        });
        for client in &mut clients {
            for number in 0..ROUNDS * 5 {
                assert_eq!(client.packet().await.unwrap(), format!(r#"2["n",{number}]"#));
            }
        }
        emitter.join().unwrap();
    }
}

#[actix_web::test]
async fn who_has_joined_is_reached_and_who_has_left_is_not() {
    for workers in [1, 3] {
        let io = server();
        let running = Running::workers(&io, workers);
        let mut clients = clients(&running, 4, workers.min(4)).await;
        let mut sockets = Vec::new();
        for client in &clients {
            sockets.push(io.of("/").socket(&client.id).await.unwrap());
        }
        let threads = sockets.into_iter().map(|socket| {
            let io = io.clone();
            std::thread::spawn(move || {
                block_on(async {
                    for number in 0..200 {
                        let room = format!("{}-{}", &socket.id()[..5], number % 3);
                        socket.join(&room).await.unwrap();
                        assert_eq!(io.of("/").room_size_here(&room), 1);
                        assert_eq!(socket.rooms(), [socket.id(), &*room]);
                        io.to(&room).emit("in", &number).await.unwrap();
                        socket.leave(&room).await;
                        assert_eq!(io.of("/").room_size_here(&room), 0);
                        io.to(&room).emit("out", &number).await.unwrap();
                    }
                })
            })
        });
        let threads: Vec<_> = threads.collect();
        for client in &mut clients {
            for number in 0..200 {
                assert_eq!(client.packet().await.unwrap(), format!(r#"2["in",{number}]"#));
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(io.of("/").room_names_here().is_empty());
    }
}

#[actix_web::test]
async fn rooms_reach_over_threads() {
    for workers in [1, 3] {
        let io = server();
        let seen = Seen::default();
        let of_listener = seen.clone();
        io.of("/").on_room_event(move |event| of_listener.push(format!("{event:?}")));
        let running = Running::workers(&io, workers);
        let mut clients = clients(&running, 6, workers).await;
        for client in &mut clients[..4] {
            client.send(r#"27["join","room"]"#).await;
            assert_eq!(client.packet().await.unwrap(), r#"37["ok"]"#);
        }
        assert_eq!(io.of("/").room_size_here("room"), 4);
        let ids: HashSet<_> = clients[..4].iter().map(|client| client.id.clone()).collect();
        let fetched = io.to("room").fetch_sockets().await.into_iter();
        assert_eq!(fetched.map(|socket| socket.id().to_owned()).collect::<HashSet<_>>(), ids);
        // Encoded once for all threads.
        struct Counted(Arc<AtomicUsize>);
        impl Serialize for Counted {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.fetch_add(1, Ordering::Relaxed);
                serializer.serialize_u8(7)
            }
        }
        let count = Arc::new(AtomicUsize::new(0));
        io.to("room").except(&clients[0].id).emit("e", &Counted(count.clone())).await.unwrap();
        for client in &mut clients[1..4] {
            assert_eq!(client.packet().await.unwrap(), r#"2["e",7]"#);
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
        // Acknowledgements come from all threads.
        let asking = io.clone();
        let asked = actix_web::rt::spawn(async move {
            asking.to("room").timeout(ms(3000)).emit_with_ack::<usize, _>("ask", &()).await.unwrap()
        });
        for (index, client) in clients[..4].iter_mut().enumerate() {
            let packet = client.packet().await.unwrap();
            let id = packet.strip_prefix('2').unwrap().split('[').next().unwrap();
            client.send(&format!("3{id}[{index}]")).await;
        }
        let acks = asked.await.unwrap();
        assert!(acks.missing.is_empty() && acks.invalid.is_empty());
        let answers: BTreeMap<_, _> = acks.answers.into_iter().map(|it| (it.socket, it.data)).collect();
        for (index, client) in clients[..4].iter().enumerate() {
            assert_eq!(answers[&client.id], index);
        }
        // All of them made to leave, then to go.
        io.to(&clients[0].id).sockets_leave("room").await;
        assert_eq!(io.of("/").room_size_here("room"), 3);
        io.of("/").close_room("room").await;
        assert_eq!(io.of("/").room_size_here("room"), 0);
        seen.wait(10).await;
        let life = seen.all();
        assert!(life[0].starts_with("Created") && life[9].starts_with("Deleted"), "{life:?}");
        io.disconnect_sockets(true).await;
        for client in &mut clients {
            assert_eq!(client.packet().await.unwrap(), "1");
            assert_eq!(client.packet().await, None);
        }
        until(|| io.of("/").socket_count() == 0 && io.connection_count() == 0).await;
    }
}

#[actix_web::test]
async fn handlers_stay_on_the_thread_of_their_connection() {
    let io = server();
    let running = Running::workers(&io, 3);
    let mut clients = clients(&running, 3, 3).await;
    for client in &mut clients {
        let before = client.ask("thread").await;
        tokio::time::sleep(ms(5)).await;
        assert_eq!(client.ask("thread").await, before);
    }
}

/// Members come and go, from everywhere at once: nothing is lost, and nothing stays behind.
#[actix_web::test]
async fn churn_leaves_nothing_behind() {
    for workers in [1, 3] {
        let io = server();
        let running = Running::workers(&io, workers);
        let clients = clients(&running, 12, workers).await;
        let mut sockets = Vec::new();
        for client in &clients {
            sockets.push(io.of("/").socket(&client.id).await.unwrap());
        }
        let threads: Vec<_> = (0..3usize)
            .map(|seed| {
                let (io, sockets) = (io.clone(), sockets.clone());
                std::thread::spawn(move || {
                    let mut random = seed;
                    block_on(async {
                        for _ in 0..400 {
                            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                            let (socket, room) =
                                (&sockets[(random >> 33) % 12], format!("r{}", (random >> 40) % 5));
                            match (random >> 50) % 8 {
                                0 | 1 => drop(socket.join(&room).await),
                                2 => socket.leave(&room).await,
                                3 => io.to(&room).emit("e", &1).await.unwrap(),
                                4 => io.to([&*room, "r0"]).except(socket.id()).emit("e", &1).await.unwrap(),
                                5 => drop(io.to(&room).sockets_join("r4").await),
                                6 => drop(io.of("/").close_room(&room).await),
                                _ => assert!(io.to(&room).fetch_sockets().await.sockets.len() <= 12),
                            }
                        }
                    })
                })
            })
            .collect();
        // Meanwhile the clients leave one by one, half of them without a word.
        for (index, mut client) in clients.into_iter().enumerate() {
            tokio::time::sleep(ms(5)).await;
            if index % 2 == 0 {
                client.send("1").await;
                tokio::time::sleep(ms(2)).await;
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        until(|| io.of("/").socket_count() == 0 && io.connection_count() == 0).await;
        assert_eq!(io.of("/").room_names_here(), Vec::<String>::new());
        assert!(sockets.iter().all(|socket| !socket.is_connected() && socket.rooms().len() == 1));
    }
}

/// More than tokio lets a task do in a row: what was not the clients' fault looked like a full socket.
#[actix_web::test]
async fn volatile_events_reach_all_of_a_crowd() {
    const ROUNDS: usize = 100;
    let io = SocketIo::new();
    let running = Running::workers(&io, 1);
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(RawClient::connect(running.address).await);
    }
    let emitter = std::thread::spawn(move || {
        block_on(async {
            for round in 0..ROUNDS {
                io.volatile().emit("told", &round).await.unwrap();
            }
        })
    });
    for client in &mut crowd {
        for round in 0..ROUNDS {
            assert_eq!(client.packet().await.unwrap(), format!(r#"2["told",{round}]"#));
        }
    }
    emitter.join().unwrap();
}
