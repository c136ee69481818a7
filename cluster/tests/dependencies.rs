//! External processes depend on this crate: nothing of actix may be in its tree.

use std::process::Command;

#[test]
fn no_actix_in_the_tree() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "socketio-cluster", "--all-features"])
        .args(["--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("UTF-8");
    let names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"async-nats"), "not the tree: {tree}");
    let actix: Vec<_> = names.iter().filter(|name| name.contains("actix")).collect();
    assert!(actix.is_empty(), "{actix:?}");
}
