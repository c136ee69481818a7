//! External processes depend on this crate: nothing of actix may be in its tree, and nothing of NATS where it is not wanted.

use std::process::Command;

/// The names of the crates that a user of this one gets, with these arguments of cargo's.
fn tree(features: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "socketio-cluster", features])
        .args(["--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("UTF-8");
    let names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    assert!(names.iter().any(|name| name == "tokio"), "not the tree: {tree}");
    names
}

fn named<'a>(names: &'a [String], parts: &[&str]) -> Vec<&'a String> {
    names.iter().filter(|name| parts.iter().any(|part| name.contains(part))).collect()
}

#[test]
fn no_actix_in_the_tree() {
    let names = tree("--all-features");
    assert_eq!(named(&names, &["async-nats"]).len(), 1);
    assert!(named(&names, &["actix"]).is_empty(), "{names:?}");
}

#[test]
fn no_network_without_the_feature() {
    let names = tree("--no-default-features");
    assert!(named(&names, &["actix", "nats", "rustls", "mio", "socket2"]).is_empty(), "{names:?}");
}
