//! `cargo bench -p actix-socketio-micro [-- NAME]`: how long each hot path takes.

use actix_socketio_micro::PATHS;
use criterion::{Criterion, criterion_group, criterion_main};

fn paths(criterion: &mut Criterion) {
    for path in PATHS {
        // A multiple of what a path does at once.
        let batch = path.count / 10;
        criterion.bench_function(path.name, |bencher| {
            bencher.iter_custom(|n| (path.run)(n * batch).div_f64(batch as f64));
        });
    }
}

criterion_group!(benches, paths);
criterion_main!(benches);
