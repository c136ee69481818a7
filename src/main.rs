//! The deployable node: `actix-socketio --help`.

mod node;

fn main() -> std::process::ExitCode {
    node::main()
}
