//! The upgrade service: an `App` answers a websocket's handshake, then its socket is taken over.
//!
//! actix-http hands every request with `Upgrade: websocket` and every CONNECT to this service, together with
//! the socket. It runs the request through a second instance of the same `App`; if the answer says so, the
//! socket becomes a native websocket, which writes the answer, otherwise the answer is written as it is and the socket is closed.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use actix_codec::{AsyncRead, AsyncWrite, Encoder as _, Framed};
use actix_http::body::{BodySize, MessageBody};
use actix_http::{ConnectionType, HttpMessage as _, Request, Response, h1};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, fn_factory, fn_service};
use actix_web::dev::AppConfig;
use bytes::Bytes;
use futures_util::SinkExt as _;
use futures_util::future::poll_fn;
use tokio::net::TcpStream;

use super::handshake::{CanTakeOver, TakeOver};
use super::native::{NativeStream, Taken};

/// How long an answer may take to be written to a client that does not read it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A stream that can be taken over. Its server has seen to `TCP_NODELAY`.
pub(crate) trait HttpStream: AsyncRead + AsyncWrite + Unpin + 'static {
    /// As a native stream.
    fn into_native(self) -> NativeStream;
}

impl HttpStream for TcpStream {
    fn into_native(self) -> NativeStream {
        NativeStream::Tcp(self)
    }
}

#[cfg(feature = "tls")]
impl HttpStream for actix_tls::accept::rustls_0_23::TlsStream<TcpStream> {
    fn into_native(self) -> NativeStream {
        NativeStream::Other(Box::new(self))
    }
}

/// The upgrade service of actix-http, for the `App` that `factory` makes.
pub(crate) fn upgrade_factory<T, F, I, S, B>(
    factory: F,
    config: AppConfig,
) -> impl ServiceFactory<
    (Request, Framed<T, h1::Codec>),
    Config = (),
    Response = (),
    Error = actix_web::Error,
    InitError = (),
    Service: 'static,
>
where
    T: HttpStream,
    F: Fn() -> I + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Error = actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    fn_factory(move || {
        let (factory, config) = (factory.clone(), config.clone());
        async move {
            let app = factory().into_factory().new_service(config).await.map_err(|error| {
                tracing::error!(?error, "the App of the upgrade service could not be built");
            })?;
            let app = Rc::new(app);
            Ok::<_, ()>(fn_service(move |(request, framed): (Request, Framed<T, h1::Codec>)| {
                let app = app.clone();
                async move {
                    request.extensions_mut().insert(CanTakeOver);
                    match app.call(request).await {
                        Ok(response) => answer(framed, response.into()).await,
                        // Middleware refused: as without an upgrade, its error is the answer.
                        Err(error) => answer(framed, Response::from(error)).await,
                    }
                    Ok::<(), actix_web::Error>(())
                }
            }))
        }
    })
}

/// Takes the socket, or writes the answer.
async fn answer<T: HttpStream, B: MessageBody>(framed: Framed<T, h1::Codec>, mut response: Response<B>) {
    let take = response.extensions_mut().remove::<TakeOver>();
    let written = match take {
        Some(take) => give(framed, response, take),
        None => match tokio::time::timeout(ANSWER_TIMEOUT, write(framed, response)).await {
            Ok(written) => written,
            Err(elapsed) => Err(elapsed.into()),
        },
    };
    if let Err(error) = written {
        tracing::debug!(%error, "an upgrade request could not be answered");
    }
}

type BoxError = Box<dyn std::error::Error>;

fn give<T: HttpStream, B>(
    framed: Framed<T, h1::Codec>,
    response: Response<B>,
    take: TakeOver,
) -> Result<(), BoxError> {
    let mut parts = framed.into_parts();
    parts.codec.encode(h1::Message::Item((response.drop_body(), BodySize::None)), &mut parts.write_buf)?;
    // Copies of what is there, mostly nothing came: the buffers themselves are large and would live as long as the connection.
    let (read, head) = (Bytes::copy_from_slice(&parts.read_buf), Bytes::copy_from_slice(&parts.write_buf));
    (take.0)(Taken { stream: parts.io.into_native(), read, head });
    Ok(())
}

async fn write<T: HttpStream, B: MessageBody>(
    mut framed: Framed<T, h1::Codec>,
    response: Response<B>,
) -> Result<(), BoxError> {
    let (mut head, body) = response.into_parts();
    head.head_mut().set_connection_type(ConnectionType::Close);
    if body.size() == BodySize::Stream {
        // To a request like this one the codec sends no chunks: it must not announce them either.
        head.head_mut().no_chunking(true);
    }
    framed.send(h1::Message::Item((head, body.size()))).await?;
    let mut body: Pin<Box<B>> = Box::pin(body);
    if !body.size().is_eof() {
        while let Some(chunk) = poll_fn(|context| body.as_mut().poll_next(context)).await {
            let chunk = chunk.map_err(|_| "the answer's body failed")?;
            framed.send(h1::Message::Chunk(Some(chunk))).await?;
        }
        framed.send(h1::Message::Chunk(None)).await?;
    }
    framed.close().await?;
    Ok(())
}
