//! `[auth]`: the options of authentication.

use std::path::PathBuf;

use jsonwebtoken::Algorithm as JwtAlgorithm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backend::BackendOptions;
use crate::node::config::Findings;
use crate::node::config::period::Period;
use crate::node::config::secret::Secret;
use crate::node::config::size::Size;
use crate::node::permissions::Pattern;

/// Clocks that differ by more than that should be set.
const MAX_LEEWAY: Period = Period::seconds(600);

/// Who may connect: clients with a JSON web token (RFC 7519) that this configuration can verify (docs/authentication.md). Without a key
/// nobody is asked for a token.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::node) struct AuthOptions {
    /// The algorithm of the tokens, which belongs to the key: what a token says of it must agree. Needed with `secret` and `public_key`;
    /// the keys of a JWK set say it themselves.
    #[schemars(example = &"HS256")]
    pub(super) algorithm: Option<Algorithm>,
    /// The secret of HS256, HS384 or HS512: at least 32, 48 or 64 bytes.
    pub(super) secret: Option<Secret>,
    /// The file of the public key (PEM) of any other algorithm.
    #[schemars(example = &"/etc/socketio/jwt.pem")]
    pub(super) public_key: Option<PathBuf>,
    /// A file with a JWK set (RFC 7517).
    #[schemars(example = &"/etc/socketio/jwks.json")]
    pub(super) jwks_file: Option<PathBuf>,
    /// The https address of a JWK set, such as that of an OpenID provider.
    #[schemars(example = &"https://id.example.com/.well-known/jwks.json")]
    pub(super) jwks_url: Option<String>,
    /// How often the JWK set is read again.
    pub(super) jwks_refresh: Period,
    /// A token with a key id that is not known has the JWK set read at once, but not sooner than so long after the last time.
    pub(super) jwks_pause: Period,
    /// Whose tokens count (`iss`). Without one: anybody's that the key verifies.
    pub(super) issuers: Vec<String>,
    /// For whom tokens must be (`aud`): one of these. Without one: it is not looked at.
    pub(super) audiences: Vec<String>,
    /// How far clocks may differ, for `exp` and `nbf`; at most 10 minutes.
    pub(super) leeway: Period,
    /// Whether tokens without `exp` count: for ever, until they are revoked.
    pub(super) eternal: bool,
    /// The longest token that is read.
    pub(super) max_token: Size,
    /// The key of the CONNECT auth payload with the token: `io({ auth: { token } })`. Empty: it is not looked at.
    pub(super) payload: String,
    /// Whether the token may be in the header `Authorization: Bearer …` of the handshake.
    pub(super) header: bool,
    /// The cookie that the token may be in. Only pages that `cors` allows can connect then.
    #[schemars(example = &"session")]
    pub(super) cookie: Option<String>,
    /// The parameter of the query that the token may be in. Addresses get into logs, of proxies for example: better not.
    #[schemars(example = &"token")]
    pub(super) query: Option<String>,
    /// Namespaces that are open to clients without a token, too; `*` stands for anything. A token that is bad is refused there as well.
    #[schemars(example = &["/public"])]
    pub(super) open: Vec<String>,
    /// Claims that everybody sees who sees the socket: workers, `fetch_sockets`, the HTTP API. Without it: all.
    #[schemars(example = &["sub", "name"])]
    pub(super) data: Option<Vec<String>>,
    /// Rooms that a client is in from the beginning, with claims in braces; of a claim with several values, a room for each.
    #[schemars(example = &["user-{sub}", "team-{teams}"])]
    pub(super) rooms: Vec<String>,
    /// A claim with permissions for this client alone: a list of tables as in `permissions`.
    #[schemars(example = &"permissions")]
    pub(super) permissions: Option<String>,
    /// The event that warns a client before its token expires, with `{"expires_in": seconds}`. Empty: it is not warned.
    pub(super) expiring_event: String,
    /// How long before.
    pub(super) warn: Period,
    /// The event with which a client brings a new token, and is answered `{"ok": {"expires_in": seconds}}` or `{"error": …}`. Empty: there is
    /// none.
    pub(super) refresh_event: String,
    /// How long after its token has expired a connection is closed. The client comes back by itself, and needs a new token then.
    pub(super) grace: Period,
    /// How long a revocation is remembered: at least as long as a token is valid.
    pub(super) revoked_for: Period,
    /// Revocations that are remembered; with more, those that would be forgotten first are.
    pub(super) max_revocations: usize,
    /// Or the backend decides.
    pub(super) backend: BackendOptions,
}

impl Default for AuthOptions {
    fn default() -> Self {
        Self {
            algorithm: None,
            secret: None,
            public_key: None,
            jwks_file: None,
            jwks_url: None,
            jwks_refresh: Period::seconds(600),
            jwks_pause: Period::seconds(10),
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway: Period::seconds(30),
            eternal: false,
            max_token: Size::from(8 * 1024),
            payload: "token".to_owned(),
            header: true,
            cookie: None,
            query: None,
            open: Vec::new(),
            data: None,
            rooms: Vec::new(),
            permissions: None,
            expiring_event: "token_expiring".to_owned(),
            warn: Period::seconds(60),
            refresh_event: "refresh_token".to_owned(),
            grace: Period::seconds(15),
            revoked_for: Period::seconds(24 * 3600),
            max_revocations: 100_000,
            backend: BackendOptions::default(),
        }
    }
}

impl AuthOptions {
    /// How many keys are configured; one at most makes sense.
    fn keys(&self) -> usize {
        let given = [
            self.secret.is_some(),
            self.public_key.is_some(),
            self.jwks_file.is_some(),
            self.jwks_url.is_some(),
        ];
        given.into_iter().filter(|is_given| *is_given).count()
    }

    /// Whether tokens are verified.
    pub(super) fn has_key(&self) -> bool {
        self.keys() > 0
    }

    /// Whether anybody is asked who they are.
    pub(in crate::node) fn is_on(&self) -> bool {
        self.has_key() || self.backend.is_on()
    }

    /// The event that only the server sends.
    pub(in crate::node) fn server_event(&self) -> Option<&str> {
        self.is_on().then_some(&*self.expiring_event)
    }

    /// Whether browsers bring the token by themselves, also for a page of somebody else.
    pub(in crate::node) fn uses_cookies(&self) -> bool {
        (self.has_key() && self.cookie.is_some()) || self.backend.uses_cookies()
    }

    pub(in crate::node) fn check(&self, allows_any_page: bool, has_nats: bool, found: &mut Findings<'_>) {
        if self.keys() > 1 {
            found.add("secret", "one of secret, public_key, jwks_file and jwks_url, not several");
        }
        match self.algorithm {
            Some(algorithm) if algorithm.is_symmetric() && self.public_key.is_some() => {
                found.add("public_key", format!("{algorithm:?} has a secret, no public key"));
            }
            Some(algorithm) if !algorithm.is_symmetric() && self.secret.is_some() => {
                found.add("secret", format!("{algorithm:?} has a public key, no secret"));
            }
            Some(_) if self.jwks_file.is_some() || self.jwks_url.is_some() => {
                found.add("algorithm", "the keys of a JWK set say their algorithms themselves");
            }
            Some(_) if !self.has_key() => found.add("algorithm", "an algorithm needs a key"),
            None if self.secret.is_some() || self.public_key.is_some() => {
                found.add("algorithm", "the key needs its algorithm, such as \"HS256\" or \"ES256\"");
            }
            _ => {}
        }
        if self.jwks_url.as_ref().is_some_and(|url| !url.starts_with("https://")) {
            found.add("jwks_url", "keys come over https only");
        }
        if self.leeway > MAX_LEEWAY {
            found.add("leeway", format!("at most {MAX_LEEWAY}"));
        }
        if self.uses_cookies() && allows_any_page {
            found.add(
                "cookie",
                "with a cookie any page could act for the user: cors.origins must list the pages",
            );
        }
        if self.has_key()
            && !self.header
            && self.payload.is_empty()
            && self.cookie.is_none()
            && self.query.is_none()
        {
            found.add("header", "there is no place left for a token");
        }
        for room in &self.rooms {
            match Pattern::parse(room) {
                Ok(pattern) if pattern.has_star() => {
                    found.add("rooms", format!("{room:?}: nobody can be in all rooms"));
                }
                Ok(_) => {}
                Err(error) => found.add("rooms", error),
            }
        }
        found.is_not_zero("max_token", self.max_token.bytes() == 0);
        found.is_not_zero("jwks_refresh", self.jwks_refresh.is_zero());
        found.is_not_zero("jwks_pause", self.jwks_pause.is_zero());
        found.is_not_zero("max_revocations", self.max_revocations == 0);
        self.backend.check(has_nats, found);
    }
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[schemars(inline)]
#[allow(clippy::upper_case_acronyms)]
pub(super) enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl Algorithm {
    pub(super) fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }
}

impl From<Algorithm> for JwtAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::HS256 => Self::HS256,
            Algorithm::HS384 => Self::HS384,
            Algorithm::HS512 => Self::HS512,
            Algorithm::RS256 => Self::RS256,
            Algorithm::RS384 => Self::RS384,
            Algorithm::RS512 => Self::RS512,
            Algorithm::PS256 => Self::PS256,
            Algorithm::PS384 => Self::PS384,
            Algorithm::PS512 => Self::PS512,
            Algorithm::ES256 => Self::ES256,
            Algorithm::ES384 => Self::ES384,
            Algorithm::EdDSA => Self::EdDSA,
        }
    }
}
