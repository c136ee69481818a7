//! Requests that are answered although their body has not come to its end.
//!
//! With a length, actix-http answers such a request and closes the connection. With chunks it waits for the rest as soon as nobody wants the
//! body any more, however long that takes. Whoever still holds the body when the answer ends makes it close here, too: so the answer does.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_http::error::PayloadError;
use actix_http::{BoxedPayloadStream, HttpMessage, Payload, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, apply_fn_factory};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError};
use bytes::Bytes;
use futures_util::Stream;

/// The body of a request, for whoever reads it and for the answer.
#[derive(Clone)]
struct Held(Rc<RefCell<Payload<BoxedPayloadStream>>>);

impl Held {
    fn new(payload: Payload<BoxedPayloadStream>) -> Self {
        Self(Rc::new(RefCell::new(payload)))
    }

    fn to_payload(&self) -> Payload {
        Payload::Stream { payload: Box::pin(self.clone()) }
    }
}

impl Stream for Held {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// The body of an answer, which keeps that of the request.
struct Answer<B> {
    body: Pin<Box<B>>,
    _request: Held,
}

impl<B: MessageBody> MessageBody for Answer<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_mut().poll_next(context)
    }
}

fn answer<B: MessageBody + 'static>(body: B, held: Option<Held>) -> EitherBody<B> {
    match held {
        None => EitherBody::left(body),
        Some(held) => EitherBody::right(BoxBody::new(Answer { body: Box::pin(body), _request: held })),
    }
}

/// An error that has to be made an answer yet.
struct Refused {
    error: actix_web::Error,
    request: Held,
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.error.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let request = self.request.clone();
        let response = self.error.as_response_error().error_response();
        response.map_body(|_, body| BoxBody::new(Answer { body: Box::pin(body), _request: request }))
    }
}

fn refused(error: actix_web::Error, held: Option<Held>) -> actix_web::Error {
    match held {
        None => error,
        Some(request) => Refused { error, request }.into(),
    }
}

fn is_chunked(request: &impl HttpMessage) -> bool {
    request.chunked().unwrap_or(false)
}

/// A middleware (`actix_web::middleware::from_fn(close_unread)`, as the outermost one) for an `actix_web::HttpServer` of one's own: a connection
/// whose request is answered before all chunks of its body have come is closed with the answer, instead of being kept for as long as
/// the client likes. [`Server`](crate::Server) does it by itself.
///
/// # Errors
/// Those of what it wraps.
pub async fn close_unread<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let held = is_chunked(&request).then(|| Held::new(request.take_payload()));
    if let Some(held) = &held {
        request.set_payload(held.to_payload());
    }
    match next.call(request).await {
        Ok(response) => Ok(response.map_body(|_, body| answer(body, held))),
        Err(error) => Err(refused(error, held)),
    }
}

/// The same for the service that is an `App`.
pub(crate) fn closing_unread<I, S, B>(
    service: I,
) -> impl ServiceFactory<
    Request,
    Config = S::Config,
    Response = Response<EitherBody<B>>,
    Error = actix_web::Error,
    InitError = S::InitError,
    Service: Service<Request, Future: 'static> + 'static,
>
where
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Error = actix_web::Error> + 'static,
    S::Response: Into<Response<B>>,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    apply_fn_factory(service, |mut request: Request, service: &S::Service| {
        let held = is_chunked(&request).then(|| Held::new(request.take_payload()));
        if let Some(held) = &held {
            *request.payload() = held.to_payload();
        }
        let response = service.call(request);
        async move {
            match response.await {
                Ok(response) => Ok(response.into().map_body(|_, body| answer(body, held))),
                Err(error) => Err(refused(error, held)),
            }
        }
    })
}
