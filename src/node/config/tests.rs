use std::path::Path;

use super::period::Period;
use super::secret::Secret;
use super::size::Size;
use super::*;

fn with(text: &str, variables: &[(&str, &str)], flags: &[Flag]) -> Result<Config, String> {
    let variable =
        |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let sources = Sources::parse(Path::new("node.toml"), text).map_err(|problem| problem.to_string())?;
    read(sources, &variable, flags).map(|loaded| loaded.config).map_err(|problems| problems.to_string())
}

fn file(text: &str) -> Result<Config, String> {
    with(text, &[], &[])
}

fn port(value: i64) -> Flag {
    Flag { name: "--port", path: ["server", "port"], value: value.into() }
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let text = "[server]\nport = 1\nhost = \"::1\"\n";
    let port_of = |variables: &[_], flags: &[_]| with(text, variables, flags).expect("valid").server.port;
    assert_eq!(port_of(&[], &[]), 1);
    assert_eq!(port_of(&[("SOCKETIO_PORT", "2")], &[]), 2);
    assert_eq!(port_of(&[("SOCKETIO_PORT", "2"), ("SOCKETIO_SERVER_PORT", "3")], &[]), 3);
    assert_eq!(port_of(&[("SOCKETIO_PORT", " ")], &[]), 1);
    assert_eq!(port_of(&[("SOCKETIO_PORT", "2")], &[port(4)]), 4);
    let config = with(text, &[("SOCKETIO_PORT", "2")], &[]).expect("valid");
    assert_eq!(config.server.host.to_string(), "::1");
}

#[test]
fn the_environment_can_say_everything() {
    let variables = [
        ("SOCKETIO_ENGINE_PING_INTERVAL", "500ms"),
        ("SOCKETIO_ENGINE_TRANSPORTS", "websocket"),
        ("SOCKETIO_ENGINE_OUTBOX_BYTES", "2MiB"),
        ("SOCKETIO_ENGINE_ALLOW_EIO3", "true"),
        ("SOCKETIO_CORS_ORIGINS", "https://a.example, https://b.example:8443"),
        ("SOCKETIO_NATS", "nats://a,nats://b"),
        ("SOCKETIO_NATS_TOKEN_FILE", "/run/token"),
        ("SOCKETIO_WORKER_TIMEOUT", "7"),
        ("SOCKETIO_WORKERS_EVENTS", "[{ namespace = \"/\", event = \"order\" }]"),
    ];
    let config = with("", &variables, &[]).expect("valid");
    assert_eq!(config.engine.ping_interval.to_string(), "500ms");
    assert_eq!(config.engine.transports, [engine::Transport::Websocket]);
    assert_eq!(config.engine.outbox_bytes, Size(2 << 20));
    assert!(config.engine.allow_eio3);
    assert_eq!(config.cors.origins, ["https://a.example", "https://b.example:8443"]);
    assert_eq!(config.nats.servers, ["nats://a", "nats://b"]);
    assert_eq!(config.nats.token, Some(Secret::File("/run/token".into())));
    assert_eq!(config.workers.timeout, Period::seconds(7));
    assert_eq!(config.workers.events[0].event, "order");
    // The secret itself is not taken over: it stays where it is.
    let config =
        with("", &[("SOCKETIO_NATS", "a"), ("SOCKETIO_NATS_TOKEN", "swordfish")], &[]).expect("valid");
    assert_eq!(config.nats.token, Some(Secret::Env("SOCKETIO_NATS_TOKEN".to_owned())));
    assert!(!format!("{config:?}{}", config.to_toml()).contains("swordfish"));
}

#[test]
fn no_two_options_have_the_same_variable() {
    let root = schema::root();
    let mut names: Vec<_> = schema::options(&root).into_iter().flat_map(|option| option.variables).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let text = r#"
[server]
prot = 3000
port = "many"

[engine]
ping_interval = "0s"
transports = ["websockets"]
outbox_bytes = "1 Mib"

[servr]
[nats]
token = "swordfish"
tls_frist = true
[[workers.events]]
event = "x"
"#;
    let complaint = with(text, &[("SOCKETIO_ENGINE_ALLOW_EIO3", "yes")], &[port(70_000)]).expect_err("wrong");
    for expected in [
        "node.toml:3:1: unknown key \"prot\" in [server]; did you mean \"port\"?",
        "--port: server.port: invalid value: integer `70000`, expected u16",
        "node.toml:7:1: engine.ping_interval: must be greater than zero",
        "node.toml:8:15: engine.transports.0: unknown variant `websockets`, expected `polling` or `websocket`; did you mean \"websocket\"?",
        "node.toml:9:1: engine.outbox_bytes: invalid value: string \"1 Mib\", expected a number of bytes",
        "node.toml:11:2: unknown key \"servr\"; did you mean \"server\"?",
        "node.toml:13:1: nats.token: a secret does not belong into the configuration",
        "node.toml:14:1: unknown key \"tls_frist\" in [nats]; did you mean \"tls_first\"?",
        "missing field `namespace`",
        "SOCKETIO_ENGINE_ALLOW_EIO3: engine.allow_eio3: invalid type: string \"yes\", expected a boolean",
    ] {
        assert!(complaint.contains(expected), "{expected}\nis not in\n{complaint}");
    }
    assert!(!complaint.contains("swordfish"));
    let complaint = file("port = 1").expect_err("misplaced");
    assert_eq!(complaint, "node.toml:1:1: unknown key \"port\"; \"port\" belongs into [server]");
    let complaint = file("[server]\nport = = 1").expect_err("no TOML");
    assert!(complaint.starts_with("node.toml:2:8: "), "{complaint}");
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    for (text, expected) in [
        ("[nats]\nuser = \"u\"\nservers = [\"a\"]", "SOCKETIO_NATS_PASSWORD"),
        ("[nats]\nnkey = \"n\"", "nats.servers"),
        (
            "[nats]\nservers = [\"a\"]\nnkey = \"n\"\ncreds = \"c\"",
            "more than one login for NATS: creds, nkey",
        ),
        ("[nats]\nservers = [\"a\"]\ncert = \"n\"", "belong together"),
        ("[cors]\norigins = [\"*\"]\ncredentials = true", "list the origins"),
        ("[cors]\norigins = [\"example.com\"]", "such as"),
        ("[cluster]\nprefix = \"a.*\"", "cluster.prefix"),
        ("[cluster]\nbuckets = 0", "cluster.buckets"),
        ("[engine]\ntransports = []", "at least one"),
        ("[engine]\npath = \"/\"", "engine.path"),
        ("[log]\nfilter = \"a=b=c\"", "log.filter"),
        ("[api]\nhost = \"::\"\nport = 1", "only with a key"),
        ("[api]\nmax_body = 0", "api.max_body"),
        ("[api]\n[[api.keys]]\nname = \"x\"\nsecret = { env = \"X\" }\nscopes = []", "no scope"),
        ("[[workers.events]]\nnamespace = \"/\"\nevent = \"x\"", "nats.servers"),
    ] {
        let complaint = file(text).expect_err(text);
        assert!(complaint.contains(expected), "{text}: {complaint}");
    }
}

#[test]
fn what_is_printed_can_be_read() {
    let text = Config::default().to_toml();
    assert_eq!(file(&text).expect("valid"), Config::default());
    let given = "[server]\nworkers = 2\n[nats]\nservers = [\"a\"]\ntoken = { env = \"T\" }\n[cluster]\nname = \"x\"\n\
                 [[workers.events]]\nnamespace = \"/\"\nevent = \"x\"\n[engine]\ncompress_above = 1500";
    let given = file(given).expect("valid");
    assert_eq!(file(&given.to_toml()).expect("valid"), given);
}

#[test]
fn every_example_can_be_used() {
    // What is not set stands there as `#key = …`, a comment as `# …`.
    let text = Config::default().to_toml();
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(option) if !option.starts_with(' ') => option,
        _ => line,
    });
    let root = schema::root();
    let mut sources =
        Sources::parse(Path::new("node.toml"), &lines.collect::<Vec<_>>().join("\n")).expect("TOML");
    assert_eq!(keys::check(&root, &mut sources), []);
    let mut problems = Vec::new();
    deserialize(&root, &mut sources, &mut problems);
    assert_eq!(problems, []);
}

#[test]
fn every_option_says_what_it_means() {
    fn check(path: &str, schema: &serde_json::Value) {
        assert!(path.is_empty() || !schema::description(schema).is_empty(), "{path} has no comment");
        match schema::shape(schema) {
            schema::Shape::Table(known) => {
                known.iter().for_each(|(key, schema)| check(&format!("{path}.{key}"), schema))
            }
            schema::Shape::Keyed(item) | schema::Shape::List(item) if item.get("properties").is_some() => {
                check(&format!("{path}[]"), item);
            }
            _ => {}
        }
    }
    check("", &schema::root());
}

/// Written by this test when WRITE_DOCS is set.
#[test]
fn the_documentation_is_what_is_printed() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let text = std::fs::read_to_string(&page).expect("docs/configuration.md");
    let (begin, end) = ("```toml\n", "```\n");
    let (before, rest) = text.split_once(begin).expect("a block of TOML");
    let (_, after) = rest.split_once(end).expect("its end");
    let expected = format!("{before}{begin}{}{end}{after}", Config::default().to_toml());
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&page, &expected).expect("written");
    }
    assert!(
        text == expected || std::env::var_os("WRITE_DOCS").is_some(),
        "WRITE_DOCS=1 writes docs/configuration.md anew"
    );
}
