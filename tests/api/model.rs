//! Rooms and broadcasts against a model: each socket at most once, and never an excepted one.

use std::collections::BTreeSet;

use actix_socketio::test::TestClient;
use actix_socketio::{Socket, SocketIo};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const SOCKETS: usize = 5;
const ROOMS: [&str; 4] = ["a", "b", "c", "d"];

/// A room: one of the names, or the own room of a socket.
type Room = usize;

#[derive(Clone, Debug)]
enum Step {
    Join(usize, usize),
    Leave(usize, usize),
    JoinAll(Vec<Room>, usize),
    LeaveAll(Vec<Room>, usize),
    Emit { from: Option<usize>, to: Vec<Room>, except: Vec<Room>, local: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let rooms = || prop::collection::vec(0..ROOMS.len() + SOCKETS, 0..4);
    prop_oneof![
        3 => (0..SOCKETS, 0..ROOMS.len()).prop_map(|(socket, room)| Step::Join(socket, room)),
        1 => (0..SOCKETS, 0..ROOMS.len()).prop_map(|(socket, room)| Step::Leave(socket, room)),
        1 => (rooms(), 0..ROOMS.len()).prop_map(|(to, room)| Step::JoinAll(to, room)),
        1 => (rooms(), 0..ROOMS.len()).prop_map(|(to, room)| Step::LeaveAll(to, room)),
        6 => (prop::option::of(0..SOCKETS), rooms(), rooms(), any::<bool>())
            .prop_map(|(from, to, except, local)| Step::Emit { from, to, except, local }),
    ]
}

/// The members of each room, own rooms included.
struct Model([BTreeSet<usize>; ROOMS.len() + SOCKETS]);

impl Model {
    fn select(&self, from: Option<usize>, to: &[Room], except: &[Room]) -> BTreeSet<usize> {
        let mut selected: BTreeSet<usize> = match to {
            [] => (0..SOCKETS).collect(),
            rooms => rooms.iter().flat_map(|room| self.0[*room].iter().copied()).collect(),
        };
        for room in except {
            selected.retain(|socket| !self.0[*room].contains(socket));
        }
        selected.retain(|socket| Some(*socket) != from);
        selected
    }
}

async fn run(io: &SocketIo, clients: &[TestClient], sockets: &[Socket], steps: &[Step]) {
    let name = |room: &Room| match room.checked_sub(ROOMS.len()) {
        Some(socket) => sockets[socket].id().to_owned(),
        None => ROOMS[*room].to_owned(),
    };
    let names = |rooms: &[Room]| rooms.iter().map(name).collect::<Vec<_>>();
    let mut model = Model(Default::default());
    for socket in 0..SOCKETS {
        model.0[ROOMS.len() + socket].insert(socket);
    }
    let mut expected = vec![Vec::new(); SOCKETS];
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Join(socket, room) => {
                sockets[*socket].join(ROOMS[*room]).await.unwrap();
                model.0[*room].insert(*socket);
            }
            Step::Leave(socket, room) => {
                sockets[*socket].leave(ROOMS[*room]).await;
                model.0[*room].remove(socket);
            }
            Step::JoinAll(to, room) => {
                io.to(names(to)).sockets_join(ROOMS[*room]).await;
                model.0[*room].extend(model.select(None, to, &[]));
            }
            Step::LeaveAll(to, room) => {
                io.to(names(to)).sockets_leave(ROOMS[*room]).await;
                let leaving = model.select(None, to, &[]);
                model.0[*room].retain(|socket| !leaving.contains(socket));
            }
            Step::Emit { from, to, except, local } => {
                let operator = match from {
                    Some(socket) => sockets[*socket].broadcast(),
                    None => io.except(Vec::<String>::new()),
                };
                let operator = operator.to(names(to)).except(names(except));
                let operator = if *local { operator.local() } else { operator };
                operator.emit("n", &number).await.unwrap();
                let selected = model.select(*from, to, except);
                let fetched = operator.fetch_sockets().await.into_iter();
                let fetched: BTreeSet<_> = fetched
                    .map(|found| sockets.iter().position(|socket| socket.id() == found.id()).unwrap())
                    .collect();
                assert_eq!(fetched, selected, "{step:?}");
                selected.iter().for_each(|socket| expected[*socket].push(number));
            }
        }
    }
    io.emit("end", &()).await.unwrap();
    for (client, expected) in clients.iter().zip(expected) {
        let mut got = Vec::new();
        loop {
            let event = client.next().await.unwrap();
            if event.name == "end" {
                break;
            }
            got.push(event.args.deserialize::<usize>().unwrap());
        }
        assert_eq!(got, expected);
    }
    for (room, members) in ROOMS.iter().zip(&model.0) {
        assert_eq!(io.of("/").room_size_here(room), members.len());
    }
    for room in ROOMS {
        io.of("/").close_room(room).await;
    }
    assert!(io.of("/").room_names_here().is_empty());
}

#[test]
fn each_socket_once_and_never_an_excepted_one() {
    let system = actix_web::rt::System::new();
    let (io, clients, sockets) = system.block_on(async {
        let io = SocketIo::new();
        let (mut clients, mut sockets) = (Vec::new(), Vec::new());
        for _ in 0..SOCKETS {
            let client = TestClient::connect(&io).await.unwrap();
            sockets.push(io.of("/").socket(client.id()).await.unwrap());
            clients.push(client);
        }
        (io, clients, sockets)
    });
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let steps = prop::collection::vec(step(), 1..30);
    runner
        .run(&steps, |steps| {
            system.block_on(run(&io, &clients, &sockets, &steps));
            Ok(())
        })
        .unwrap();
}
