//! Who is let in: every kind of login, by value, by file and by address, and TLS in each of its forms.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};
use socketio_cluster::bus::{Bus as _, BusEvent};
use socketio_cluster::nats::ConnectError;
use socketio_cluster::{Credentials, NatsBus, NatsOptions, Secret};

use crate::certificates::Authority;
use crate::server::{NatsServer, scratch};
use crate::{connect_with, next, settle};

/// Let in, and heard.
async fn let_in(options: NatsOptions) {
    let (bus, mut events) = connect_with(options).await;
    assert_eq!(bus.max_payload(), 1 << 20);
    settle(&bus, &mut events).await;
}

async fn refused(options: NatsOptions) {
    let printed = format!("{options:?}");
    let error = NatsBus::connect(options).await.map(|_| ()).expect_err(&printed);
    assert!(matches!(error, ConnectError::Connect(_)), "{error:?}");
}

fn file(name: &str, text: &str) -> Secret {
    let file = scratch(name);
    std::fs::write(&file, text).expect("the file can be written");
    Secret::file(file)
}

#[tokio::test]
async fn a_token_by_value_file_or_address() {
    let server = NatsServer::start(&["--auth", "to:ken"]);
    let options = || NatsOptions::from(server.url());
    refused(options()).await;
    refused(options().credentials(Credentials::Token("another".into()))).await;
    let_in(options().credentials(Credentials::Token("to:ken".into()))).await;
    let_in(options().credentials(Credentials::Token(file("token", "  to:ken\n")))).await;
    let_in(NatsOptions::from(format!("nats://to%3Aken@127.0.0.1:{}", server.port))).await;
    let empty = options().credentials(Credentials::Token(file("empty", "\n")));
    assert!(matches!(NatsBus::connect(empty).await, Err(ConnectError::File(..))));
}

#[tokio::test]
async fn a_user_and_a_password_by_value_file_or_address() {
    let server = NatsServer::start(&["--user", "me", "--pass", "pass@word"]);
    let options = || NatsOptions::from(server.url());
    let login = |password: Secret| options().credentials(Credentials::UserAndPassword("me".into(), password));
    refused(options()).await;
    refused(login("another".into())).await;
    let_in(login("pass@word".into())).await;
    let_in(login(file("password", "pass@word\n"))).await;
    let_in(NatsOptions::from(format!("nats://me:pass%40word@127.0.0.1:{}", server.port))).await;
}

/// As an operator changes it: first for the server, then in the file.
#[tokio::test]
async fn a_password_changes_while_a_client_is_connected() {
    let password = file("changing", "old");
    let Secret::File(path) = &password else { unreachable!() };
    let mut server = NatsServer::start(&["--user", "me", "--pass", "old"]);
    let login = Credentials::UserAndPassword("me".into(), password.clone());
    let options = NatsOptions::from(server.url()).credentials(login);
    let (_bus, mut events) = NatsBus::connect(options).await.expect("connects");
    assert_eq!(next(&mut events).await, BusEvent::Connected);
    server.stop();
    assert_eq!(next(&mut events).await, BusEvent::Disconnected);
    let _server = NatsServer::start_on(server.port, &["--user", "me", "--pass", "new"]);
    // Refused a few times, then let in.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(events.try_recv().is_err());
    std::fs::write(path, "new\n").expect("the file can be written");
    assert_eq!(next(&mut events).await, BusEvent::Connected);
}

#[tokio::test]
async fn an_nkey_by_value_or_file() {
    let (key, stranger) = (KeyPair::new_user(), KeyPair::new_user());
    let user = key.public_key();
    let server = NatsServer::configured(&format!("authorization {{ users: [ {{ nkey: {user} }} ] }}"));
    let options = || NatsOptions::from(server.url());
    let seed = key.seed().expect("a seed");
    refused(options()).await;
    refused(options().credentials(Credentials::NKey(stranger.seed().expect("a seed").into()))).await;
    let no_seed = options().credentials(Credentials::NKey("no seed".into()));
    assert!(matches!(NatsBus::connect(no_seed).await, Err(ConnectError::Credentials(_))));
    let_in(options().credentials(Credentials::NKey(file("nkey", &format!("{seed}\n"))))).await;
    let_in(options().credentials(Credentials::NKey(seed.into()))).await;
}

/// A JWT as NATS wants it: `issuer` says `claims` of `subject`.
fn jwt(issuer: &KeyPair, subject: &KeyPair, claims: &Value) -> String {
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let body = json!({
        "jti": subject.public_key(), "iat": 1_700_000_000, "iss": issuer.public_key(), "name": "test",
        "sub": subject.public_key(), "nats": claims,
    });
    let text = format!("{}.{}", encode(json!({ "typ": "JWT", "alg": "ed25519-nkey" })), encode(body));
    let signature = issuer.sign(text.as_bytes()).expect("signed");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_credentials_file() {
    let (operator, account, user) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "conn": -1, "leaf": -1, "wildcards": true,
    });
    let operator_jwt = jwt(&operator, &operator, &json!({ "type": "operator", "version": 2 }));
    let account_jwt = jwt(&operator, &account, &json!({ "type": "account", "version": 2, "limits": limits }));
    let user_jwt =
        jwt(&account, &user, &json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 }));
    let server = NatsServer::configured(&format!(
        "operator: {operator_jwt}\nresolver: MEMORY\nresolver_preload: {{ {}: {account_jwt} }}\n",
        account.public_key()
    ));
    let credentials = |user: &KeyPair| {
        format!(
            "-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            user.seed().expect("a seed")
        )
    };
    let options = || NatsOptions::from(server.url());
    refused(options()).await;
    let_in(options().credentials(Credentials::Jwt(credentials(&user).into()))).await;
    let_in(options().credentials(Credentials::Jwt(file("user.creds", &credentials(&user))))).await;
    refused(options().credentials(Credentials::Jwt(credentials(&KeyPair::new_user()).into()))).await;
}

struct Tls {
    authority: Authority,
    stranger: Authority,
}

impl Tls {
    fn new(name: &str) -> Self {
        Self { authority: Authority::new(name), stranger: Authority::new(&format!("{name}-stranger")) }
    }

    fn server(&self, more: &str) -> NatsServer {
        let (certificate, key) = self.authority.sign("server", ExtendedKeyUsagePurpose::ServerAuth);
        let authority = &self.authority.certificate;
        NatsServer::configured(&format!(
            "tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {authority:?} {more} }}"
        ))
    }

    fn options(&self, server: &NatsServer, change: impl FnOnce(&mut NatsOptions)) -> NatsOptions {
        let mut options = NatsOptions::from(server.url());
        options.root_certificates = vec![self.authority.certificate.clone()];
        options.connect_timeout = Duration::from_secs(2);
        change(&mut options);
        options
    }
}

#[tokio::test]
async fn tls_when_either_side_wants_it() {
    let tls = Tls::new("plain");
    let server = tls.server("");
    let_in(tls.options(&server, |_| ())).await;
    let address = format!("tls://127.0.0.1:{}", server.port);
    let_in(tls.options(&server, |o| o.servers = vec![address])).await;
    let_in(tls.options(&server, |o| o.require_tls = true)).await;
    let strangers = vec![tls.stranger.certificate.clone()];
    refused(tls.options(&server, |o| o.root_certificates = strangers.clone())).await;
    let both = [strangers, vec![tls.authority.certificate.clone()]].concat();
    let_in(tls.options(&server, |o| o.root_certificates = both)).await;

    let open = NatsServer::start(&[]);
    refused(tls.options(&open, |o| o.require_tls = true)).await;
    let address = format!("tls://127.0.0.1:{}", open.port);
    refused(tls.options(&open, |o| o.servers = vec![address])).await;
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let tls = Tls::new("mutual");
    let server = tls.server(", verify: true");
    let with = |certificate: Option<(PathBuf, PathBuf)>| {
        tls.options(&server, |o| o.client_certificate = certificate)
    };
    let client = ExtendedKeyUsagePurpose::ClientAuth;
    refused(with(None)).await;
    refused(with(Some(tls.stranger.sign("client", client.clone())))).await;
    let (certificate, key) = tls.authority.sign("client", client);
    let no_key = NatsBus::connect(with(Some((certificate.clone(), certificate.clone())))).await;
    assert!(matches!(no_key, Err(ConnectError::File(..))));
    let_in(with(Some((certificate, key)))).await;
}

#[tokio::test]
async fn tls_before_anything_else() {
    let tls = Tls::new("first");
    let server = tls.server(", handshake_first: true");
    refused(tls.options(&server, |_| ())).await;
    let_in(tls.options(&server, |o| o.tls_first = true)).await;
}

#[tokio::test]
async fn a_login_is_for_every_server_of_the_cluster() {
    let server = NatsServer::start(&["--user", "me", "--pass", "word"]);
    let addresses = [format!("nats://me:word@127.0.0.1:{}", server.port), "nats://127.0.0.1:1".to_owned()];
    for _ in 0..5 {
        let_in(NatsOptions::from(addresses.as_slice())).await;
    }
    let options = NatsOptions::from(addresses).credentials(Credentials::Token("x".into()));
    assert!(matches!(NatsBus::connect(options).await, Err(ConnectError::CredentialsTwice)));
}
