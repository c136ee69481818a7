//! The deployable node.
fn main() {}
