//! Requests of the HTTP API as spans, which go on with the trace of whoever asks.

use actix_socketio::trace::{TRACEPARENT, TRACESTATE, TraceContext};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::middleware::Next;
use actix_web::web;

use super::{Kind, Telemetry, Value, Work};

/// What is traced; the rest is asked for by probes, all the time.
const PATHS: &str = "/api/v1/";

/// Middleware of the internal listener.
pub(in crate::node) async fn traced<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let telemetry = request.app_data::<web::Data<Telemetry>>().filter(|telemetry| telemetry.is_on());
    let Some(telemetry) = telemetry.filter(|_| request.path().starts_with(PATHS)) else {
        return next.call(request).await;
    };
    let method = match request.method().as_str() {
        "GET" => "GET",
        "POST" => "POST",
        _ => "_OTHER",
    };
    let work = || Work {
        name: "HTTP",
        kind: Kind::Server,
        attributes: vec![("http.request.method", method.into())],
    };
    let Some(mut span) = telemetry.begin(parent(request.headers()).as_ref(), work) else {
        return next.call(request).await;
    };
    let response = next.call(request).await?;
    if let Some(route) = response.request().match_pattern() {
        span.rename(format!("{method} {route}"));
        span.set("http.route", route.as_str().into());
    }
    let status = response.status();
    span.set("http.response.status_code", Value::Number(status.as_u16().into()));
    if status.is_server_error() {
        span.failed(status.canonical_reason().unwrap_or_default());
    }
    Ok(response)
}

/// The context that a request came with.
fn parent(headers: &HeaderMap) -> Option<TraceContext> {
    // What is no text is no context, either.
    let values = |name: &'static str| headers.get_all(name).map(|value| value.to_str().unwrap_or_default());
    TraceContext::of_headers(values(TRACEPARENT), values(TRACESTATE))
}
