//! How a test client comes to the server: its request, its namespace, its auth.

use std::rc::Rc;
use std::time::Duration;

use actix_web::http::header::TryIntoHeaderPair;
use actix_web::test::TestRequest;
use actix_web::{HttpMessage as _, HttpRequest};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::client::TestClient;
use super::error::ConnectError;
use super::wire::{Arrived, Wire};
use crate::handler::forget_app;
use crate::protocol::{Args, EncodeError};
use crate::server::SocketIo;

/// How long a test client waits for anything that should come.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

type Change = Box<dyn FnOnce(&HttpRequest)>;

/// Builds a [`TestClient`].
#[must_use = "connect() connects it"]
pub struct TestClientBuilder {
    io: SocketIo,
    namespace: String,
    auth: Result<Option<Box<RawValue>>, EncodeError>,
    query: String,
    request: TestRequest,
    extensions: Vec<Change>,
    brings_app_data: bool,
    timeout: Duration,
}

impl TestClientBuilder {
    pub(super) fn new(io: &SocketIo) -> Self {
        Self {
            io: io.clone(),
            namespace: "/".to_owned(),
            auth: Ok(None),
            query: "EIO=4&transport=websocket".to_owned(),
            request: TestRequest::get(),
            extensions: Vec::new(),
            brings_app_data: false,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// The namespace. Default `/`.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = name.into();
        self
    }

    /// The auth payload of CONNECT: something that serializes to an object. Default none.
    pub fn auth(mut self, auth: &(impl Serialize + ?Sized)) -> Self {
        self.auth = raw(auth);
        self
    }

    /// A parameter in the query of the handshake's request.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let pair = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
        self.query.push('&');
        self.query.push_str(&pair);
        self
    }

    /// A header of the handshake's request.
    pub fn header(mut self, header: impl TryIntoHeaderPair) -> Self {
        self.request = self.request.insert_header(header);
        self
    }

    /// The address the handshake's request comes from.
    pub fn peer(mut self, address: std::net::SocketAddr) -> Self {
        self.request = self.request.peer_addr(address);
        self
    }

    /// What the Actix `App` would have as `app_data`, such as `web::Data::new(..)`. It is the `App` of all clients of
    /// this server that connect later on this thread, too.
    pub fn app_data<T: 'static>(mut self, data: T) -> Self {
        self.request = self.request.app_data(data);
        self.brings_app_data = true;
        self
    }

    /// What middleware of the Actix `App` would have left in the request's extensions.
    pub fn extension<T: 'static>(mut self, value: T) -> Self {
        self.extensions.push(Box::new(move |request| {
            request.extensions_mut().insert(value);
        }));
        self
    }

    /// How long the client waits for anything that should come. Default 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Opens a connection and joins the namespace.
    pub async fn connect(self) -> Result<TestClient, ConnectError> {
        let path = &self.io.engine().config().path;
        let request = self.request.uri(&format!("{path}?{}", self.query)).to_http_request();
        self.extensions.into_iter().for_each(|change| change(&request));
        if self.brings_app_data {
            forget_app(self.io.number());
        }
        let auth = self.auth?;
        let wire = Wire::open(&self.io, &request).await?;
        join(wire, &self.namespace, auth.as_deref(), self.timeout).await
    }
}

impl std::fmt::Debug for TestClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestClientBuilder").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

pub(super) fn raw(value: &(impl Serialize + ?Sized)) -> Result<Option<Box<RawValue>>, EncodeError> {
    to_raw_value(value).map(Some).map_err(|error| EncodeError::Data(error.to_string()))
}

/// Joins a namespace.
pub(super) async fn join(
    wire: Rc<Wire>,
    namespace: &str,
    auth: Option<&RawValue>,
    timeout: Duration,
) -> Result<TestClient, ConnectError> {
    let namespace = if namespace.starts_with('/') { namespace.to_owned() } else { format!("/{namespace}") };
    let inbox = wire.inbox(&namespace);
    wire.send_connect(&namespace, auth)?;
    let answer = inbox.next(timeout).await;
    match answer {
        Some(Ok(Arrived::Connected(id))) => Ok(TestClient::new(wire, namespace, id, inbox, timeout)),
        Some(Ok(Arrived::Refused(data))) => Err(refused(&data)),
        Some(Ok(Arrived::Event { .. })) | None => Err(ConnectError::Timeout(timeout)),
        Some(Err(reason)) => Err(ConnectError::Closed(reason)),
    }
}

fn refused(data: &Args) -> ConnectError {
    #[derive(serde::Deserialize)]
    struct Refused {
        message: String,
        data: Option<serde_json::Value>,
    }
    match data.deserialize::<Refused>() {
        Ok(Refused { message, data }) => ConnectError::Refused { message, data },
        Err(error) => ConnectError::Refused { message: error.to_string(), data: None },
    }
}
