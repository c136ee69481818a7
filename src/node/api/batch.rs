//! Several operations in one request.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, Object};
use super::emit::{Emit, Emitted};
use super::keys::Caller;
use super::manage::{CloseRoom, Disconnect, Done, Join, Leave};
use super::options::Scope;
use super::problem::Problem;
use super::state::ApiState;

/// Operations in one request, at most.
const MAX_OPERATIONS: usize = 1000;

/// Operations that are done one after the other.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// Each is an object with one field, which says what it is.
    #[schema(min_items = 1, max_items = 1000)]
    operations: Vec<Operation>,
}

/// One operation of a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Operation {
    /// As the body of `/api/v1/emit`.
    #[schema(value_type = Emit)]
    Emit(Object<Emit>),
    /// As the body of `/api/v1/join`.
    #[schema(value_type = Join)]
    Join(Object<Join>),
    /// As the body of `/api/v1/leave`.
    #[schema(value_type = Leave)]
    Leave(Object<Leave>),
    /// As the body of `/api/v1/disconnect`.
    #[schema(value_type = Disconnect)]
    Disconnect(Object<Disconnect>),
    /// As the body of `/api/v1/close-room`.
    #[schema(value_type = CloseRoom)]
    CloseRoom(Object<CloseRoom>),
}

impl Operation {
    fn scope(&self) -> Scope {
        match self {
            Self::Emit(_) => Scope::Emit,
            _ => Scope::Manage,
        }
    }

    async fn run(self, state: &ApiState) -> Outcome {
        let done = match self {
            Self::Emit(emit) => {
                return match emit.0.run(state).await {
                    Ok(emitted) => Outcome::Emitted(emitted),
                    Err(problem) => Outcome::Problem(problem),
                };
            }
            Self::Join(join) => join.0.run(state).await,
            Self::Leave(leave) => leave.0.run(state).await,
            Self::Disconnect(disconnect) => disconnect.0.run(state).await,
            Self::CloseRoom(close) => close.0.run(state).await,
        };
        match done {
            Ok(done) => Outcome::Done(done),
            Err(problem) => Outcome::Problem(problem),
        }
    }
}

/// What became of one operation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// An event was sent.
    Emitted(Emitted),
    /// It is done.
    Done(Done),
    /// It was refused, and nothing of it was done. The others are not concerned.
    Problem(Problem),
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outcomes {
    /// One for each operation, in their order.
    outcomes: Vec<Outcome>,
}

/// Does several things, one after the other.
///
/// What reads well as a whole is begun: an operation that is refused for what it asks does not keep the next ones from being done.
#[utoipa::path(
    post,
    path = "/api/v1/batch",
    tag = "emit",
    request_body = Batch,
    responses((status = 200, body = Outcomes, description = "What became of each."), super::openapi::Problems)
)]
pub(super) async fn batch(
    caller: Caller,
    state: web::Data<ApiState>,
    Body(batch): Body<Batch>,
) -> Result<web::Json<Outcomes>, Problem> {
    let count = batch.operations.len();
    if count == 0 || count > MAX_OPERATIONS {
        return Err(Problem::bad_request(format_args!("a batch has 1 to {MAX_OPERATIONS} operations")));
    }
    // Before the first is done.
    batch.operations.iter().try_for_each(|operation| caller.may(operation.scope()))?;
    let mut outcomes = Vec::with_capacity(count);
    for operation in batch.operations {
        outcomes.push(operation.run(&state).await);
    }
    Ok(web::Json(Outcomes { outcomes }))
}
