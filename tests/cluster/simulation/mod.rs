//! Five nodes, their clients and a simple model of them: random joins, leaves, broadcasts, deaths and bad weather, as a seed says.
//!
//! In *rough* weather messages between nodes are lost, come twice and overtake each other, and a node is cut off for a while. Then only what
//! holds always is checked; in *calm* weather each socket gets exactly what the model says. The invariants are those of the design:
//!
//! 1. a broadcast reaches a socket at most once, and none that it excepts (always);
//! 2. what one node emits arrives in that order, and completely at its own sockets (always; where the network reorders, in the order of
//!    each way: one room's, and that of all other broadcasts);
//! 3. after a join whatever is emitted on any node arrives (in calm weather; subscriptions take a while to be known);
//! 4. the middleware, then `on_connect`, then events one at a time and in their order (always);
//! 5. a broadcast is encoded once, however many get it (always).
//!
//! `SIMULATION_SEED=7 cargo nextest run --test cluster --no-capture simulation` repeats one; `SIMULATION_SEEDS=1000` tries as many.

mod model;
mod weather;

use std::cell::Cell;
use std::collections::BTreeSet;

use actix_socketio::cluster::memory::MemoryHub;

use self::model::Model;

/// A pure function of its seed (splitmix64).
struct Random(Cell<u64>);

impl Random {
    fn next(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = self.0.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Each phase has its own rooms: what is emitted in rough weather is for rooms that nobody joins or leaves meanwhile.
fn room(phase: usize, number: usize) -> String {
    format!("{} {number}", ["even", "odd"][phase % 2])
}

const ROOMS: usize = 5;
const PHASES: usize = 4;

async fn simulate(seed: u64) {
    let random = Random(Cell::new(seed));
    let mut model = Model::start(&MemoryHub::default(), seed).await;
    for phase in 0..PHASES {
        // Calm: everything changes, and everything is exact.
        for _ in 0..6 {
            for _ in 0..4 {
                let peer = random.below(model.peers.len());
                // Those of the next phase, too: it will emit to them in any weather.
                let room = room(phase + random.below(2), random.below(ROOMS));
                match random.below(3) {
                    0 => model.leave(peer, &room).await,
                    _ => model.join(peer, &room, true).await,
                }
            }
            for _ in 0..6 {
                let rooms = rooms(&random, phase);
                let except = rooms_or_none(&random, phase);
                model.broadcast(random.below(model.nodes.len()), &rooms, &except).await;
            }
            model.work(random.below(model.peers.len())).await;
            model.settle(true).await;
        }
        if random.below(2) == 0 {
            model.kill(random.below(model.nodes.len()), phase as u64).await;
        }
        // Rough: the rooms of this phase are emitted to, those of the next are joined and left.
        model.set_rough(true);
        let cut_off = random.below(model.nodes.len());
        for step in 0..30 {
            match step {
                8 => model.nodes[cut_off].bus.set_connected(false),
                16 => model.nodes[cut_off].bus.set_connected(true),
                _ => {}
            }
            for _ in 0..2 {
                let rooms = rooms(&random, phase);
                let except = rooms_or_none(&random, phase);
                model.broadcast(random.below(model.nodes.len()), &rooms, &except).await;
            }
            if step % 10 == 5 {
                let (peer, room) = (random.below(model.peers.len()), room(phase + 1, random.below(ROOMS)));
                match random.below(3) {
                    0 => model.leave(peer, &room).await,
                    _ => model.join(peer, &room, false).await,
                }
            }
            model.work(random.below(model.peers.len())).await;
        }
        model.set_rough(false);
        model.settle(false).await;
    }
}

/// All sockets, or some rooms.
fn rooms(random: &Random, phase: usize) -> BTreeSet<String> {
    (0..random.below(4)).map(|_| room(phase, random.below(ROOMS))).collect()
}

fn rooms_or_none(random: &Random, phase: usize) -> BTreeSet<String> {
    if random.below(3) == 0 { BTreeSet::from([room(phase, random.below(ROOMS))]) } else { BTreeSet::new() }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

async fn simulate_all(begin: u64) {
    let seeds = match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => begin..begin + number("SIMULATION_SEEDS").unwrap_or(1),
    };
    for seed in seeds {
        // Shown when it fails.
        println!("SIMULATION_SEED={seed}");
        simulate(seed).await;
    }
}

#[actix_web::test]
async fn five_nodes_do_what_a_simple_model_says() {
    simulate_all(1).await;
}

#[actix_web::test]
async fn five_other_nodes_do_what_a_simple_model_says() {
    simulate_all(1_000_001).await;
}
