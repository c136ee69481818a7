//! The kept corpus of the fuzz targets goes through every decoder again, and what they check holds.
//!
//! One test per target over `fuzz/seeds` and `fuzz/corpus`; the targets are those of `fuzz/src`, without libFuzzer.

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub)] // it is a library elsewhere
mod targets;

use std::path::Path;

/// Any panic, on whatever thread, is a finding, as it is for libFuzzer.
fn replay(target: &str, run: fn(&[u8])) {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        std::process::abort();
    }));
    let mut count = 0;
    for folder in ["seeds", "corpus"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder).join(target);
        for file in folder.read_dir().into_iter().flatten() {
            let path = file.expect("an entry").path();
            eprintln!("{}", path.display());
            run(&std::fs::read(path).expect("a file"));
            count += 1;
        }
    }
    assert!(count > 0, "nothing is kept for {target}");
}

macro_rules! targets {
    ($($target:ident),* $(,)?) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target), targets::$target);
            }
        )*
    };
}

targets![
    sio_json,
    sio_msgpack,
    eio_packet,
    eio_payload,
    ws_frame,
    http_request,
    cluster_message,
    fragments,
    worker_answer,
    relay,
    connection,
];
