//! The description of the HTTP API that it serves itself.

use actix_web::HttpResponse;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::problem::Problem;
use super::{batch, emit, health, list, manage, presence, revoke};

/// What any operation may answer.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the macro only")]
pub(super) enum Problems {
    /// Something is wrong with the request.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(Problem),
    /// No key, or an unknown one.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The key lacks the scope.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// The body did not come in time.
    #[response(status = 408, content_type = "application/problem+json")]
    RequestTimeout(Problem),
    /// The body is too large, or too large for the way to other nodes.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is not JSON by its content type.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(Problem),
    /// Without keys: the host is a name.
    #[response(status = 421, content_type = "application/problem+json")]
    Misdirected(Problem),
}

struct Keys;

impl Modify for Keys {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(bearer));
        // An operation of a batch is one thing, and nothing beside it.
        let operation = components.schemas.get_mut("Operation");
        let Some(RefOr::T(Schema::OneOf(operation))) = operation else { return };
        for one in &mut operation.items {
            if let RefOr::T(Schema::Object(one)) = one {
                one.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
            }
        }
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "actix-socketio", description = "Drives a Socket.IO cluster from any of its nodes."),
    paths(
        emit::emit,
        emit::emit_with_ack,
        batch::batch,
        manage::join,
        manage::leave,
        manage::disconnect,
        revoke::revoke,
        manage::close_room,
        health::drain,
        list::rooms,
        list::sockets,
        presence::presence,
        list::nodes,
    ),
    tags(
        (name = "emit", description = "Needs a key with the scope `emit`; a batch needs those of its operations."),
        (name = "manage", description = "Needs a key with the scope `manage`."),
        (name = "read", description = "Needs a key with the scope `read`."),
    ),
    modifiers(&Keys),
    security((), ("key" = [])),
)]
struct Description;

/// The description, as JSON.
pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().json(Description::openapi())
}
