//! What requests carry: JSON bodies and queries, read strictly, refused as problems.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::state::ApiState;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A body: JSON, an object.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limit = request.app_data::<web::Data<ApiState>>().map(|state| state.options().max_body.bytes());
        let payload = web::Payload::from_request(request, payload);
        let checked = check_headers(request.headers(), limit.unwrap_or_default());
        async move {
            let limit = checked?;
            let payload = payload.await.map_err(Problem::bad_request)?;
            let body = match tokio::time::timeout(BODY_TIMEOUT, payload.to_bytes_limited(limit)).await {
                Ok(Ok(Ok(body))) => body,
                Ok(Ok(Err(error))) => return Err(Problem::bad_request(error).final_one()),
                Ok(Err(_)) => return Err(too_large(limit)),
                Err(_) => {
                    let late = Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
                    return Err(late.final_one());
                }
            };
            match serde_json::from_slice::<Object<T>>(&body) {
                Ok(Object(value)) => Ok(Self(value)),
                Err(error) => Err(Problem::bad_request(error)),
            }
        }
        .boxed_local()
    }
}

fn too_large(limit: usize) -> Problem {
    let detail = format_args!("a body has at most {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).final_one()
}

/// Whether the body can be what is wanted.
fn check_headers(headers: &HeaderMap, limit: usize) -> Result<usize, Problem> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let essence = text(header::CONTENT_TYPE).and_then(|value| value.split(';').next());
    // Anything else a page of any origin could send without asking.
    if !essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json")) {
        let detail = "the content type is application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).final_one());
    }
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        let detail = "no content encoding is understood";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).final_one());
    }
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    Ok(limit)
}

/// A value that is written as an object. Serde alone would take a list of the fields in their order, too: then `[]` disconnects
/// everybody.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Object)
    }
}

/// The parameters of a query.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let query = web::Query::<T>::from_query(request.query_string());
        std::future::ready(query.map(|query| Self(query.into_inner())).map_err(Problem::bad_request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Fields {
        all: bool,
    }

    #[test]
    fn an_object_is_nothing_else() {
        let read = |json: &str| serde_json::from_str::<Object<Fields>>(json).map(|object| object.0).ok();
        assert_eq!(read(r#"{"all":true}"#), Some(Fields { all: true }));
        assert_eq!(read("{}"), Some(Fields { all: false }));
        for other in ["[]", "[true]", "null", "1", r#"{"al":true}"#, r#"{"all":true,"all":true}"#] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
