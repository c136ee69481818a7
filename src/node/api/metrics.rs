//! `/metrics`: for Prometheus.

use actix_web::http::header;
use actix_web::{HttpResponse, web};

use super::keys::Caller;
use super::options::Scope;
use super::problem::Problem;
use super::state::ApiState;

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the node counts and holds, in the text format of Prometheus.
pub(super) async fn metrics(caller: Caller, state: web::Data<ApiState>) -> Result<HttpResponse, Problem> {
    caller.may(Scope::Read)?;
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, TEXT)).body(state.metrics().to_text()))
}
