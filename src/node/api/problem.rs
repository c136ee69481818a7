//! What went wrong, as RFC 9457 says it: every error of the internal listener is one of these.

use std::fmt;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

/// Its content type.
pub(super) const PROBLEM: &str = "application/problem+json";

/// An error as RFC 9457 describes them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: the status says which kind it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// A header that goes with it.
    #[serde(skip)]
    #[schema(ignore)]
    header: Option<Header>,
    #[serde(skip)]
    #[schema(ignore)]
    ends_connection: bool,
}

/// A header that an error has.
#[derive(Clone, Copy, Debug)]
enum Header {
    Challenge,
    Allow(&'static str),
}

impl Problem {
    fn of(status: StatusCode, detail: Option<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let kind = "about:blank";
        Self { kind, title, status: status.as_u16(), detail, header: None, ends_connection: false }
    }

    pub(super) fn new(status: StatusCode, detail: impl fmt::Display) -> Self {
        Self::of(status, Some(detail.to_string()))
    }

    pub(super) fn bad_request(detail: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// No key, or none that is known.
    pub(super) fn unauthorized(detail: impl fmt::Display) -> Self {
        Self { header: Some(Header::Challenge), ..Self::new(StatusCode::UNAUTHORIZED, detail) }
    }

    /// The resource is there, the method is not; `allow` is what there is.
    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        Self { header: Some(Header::Allow(allow)), ..Self::of(StatusCode::METHOD_NOT_ALLOWED, None) }
    }

    /// The same, and the connection ends: the rest of the body is not read.
    pub(super) fn final_one(self) -> Self {
        Self { ends_connection: true, ..self }
    }

    fn body(&self) -> Vec<u8> {
        // Texts and numbers can always be written.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.title, self.detail.as_deref().unwrap_or_default())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::CONTENT_TYPE, PROBLEM));
        match self.header {
            Some(Header::Challenge) => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"actix-socketio\""));
            }
            Some(Header::Allow(methods)) => {
                response.insert_header((header::ALLOW, methods));
            }
            None => {}
        }
        if self.ends_connection {
            response.force_close();
        }
        response.body(self.body())
    }
}

/// Middleware: errors of the framework, which have bodies of other kinds, become problems, too.
pub(super) async fn every_error<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    let status = response.status();
    let is_problem = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|content_type| content_type.as_bytes() == PROBLEM.as_bytes());
    if is_problem || !(status.is_client_error() || status.is_server_error()) {
        return Ok(response);
    }
    let detail = response.response().error().map(ToString::to_string);
    let body = Problem::of(status, detail).body();
    let mut response = response.map_body(|_, _| BoxBody::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
    Ok(response)
}
