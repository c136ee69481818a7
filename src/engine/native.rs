//! The native websocket transport: a TCP (or TLS) stream that was taken over from actix-http.
//!
//! The socket lives on the connection's thread. It reads into a buffer shared by the thread, inside the
//! connection's actor ([`Reader`]), and writes once per turn of the event loop what the turn produced.

mod reader;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub(super) use self::reader::Reader;
use super::handle::Shared;
use super::moment::Moment;
use super::out::{Item, Out};
use super::queue::Queue;
use super::turn::{self, Flush, Slot};

/// Bytes read at once, into a buffer of the thread.
const READ_BUFFER: usize = 64 * 1024;
/// Bytes gathered for one write.
const WRITE_BUFFER: usize = 64 * 1024;
/// How long a closed socket may take to send its last bytes and to see the client's end.
pub(super) const LINGER: Duration = Duration::from_secs(5);

thread_local! {
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BUFFER]);
    static WRITE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(WRITE_BUFFER));
}

/// Lends the thread's buffer for a read.
pub(super) fn with_read_buffer<T>(read: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = READ.with_borrow_mut(std::mem::take);
    buffer.resize(READ_BUFFER, 0);
    let result = read(&mut buffer);
    READ.set(buffer);
    result
}

/// A stream that is not plain TCP.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A stream that was taken over.
pub(crate) enum NativeStream {
    /// Registered with this thread's event loop.
    Tcp(TcpStream),
    /// Plain TCP on its way to another thread.
    Detached(std::net::TcpStream),
    /// TLS: cannot be registered anew, and is polled from whichever thread owns the connection.
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    Other(Box<dyn Io>),
}

/// A stream that was taken over, and what its handshake left.
pub(crate) struct Taken {
    pub(super) stream: NativeStream,
    /// Came behind the request.
    pub(super) read: Bytes,
    /// The answer, not written yet: it leaves together with the first frames.
    pub(super) head: Bytes,
}

impl Taken {
    /// Made ready for another thread.
    pub(super) fn detach(self) -> io::Result<Self> {
        let stream = match self.stream {
            NativeStream::Tcp(stream) => NativeStream::Detached(stream.into_std()?),
            other => other,
        };
        Ok(Self { stream, ..self })
    }

    /// Taken into this thread's event loop.
    pub(super) fn adopt(self) -> Option<Self> {
        let stream = match self.stream {
            NativeStream::Detached(stream) => match TcpStream::from_std(stream) {
                Ok(stream) => NativeStream::Tcp(stream),
                Err(error) => {
                    tracing::warn!(%error, "a socket could not change threads");
                    return None;
                }
            },
            other => other,
        };
        Some(Self { stream, ..self })
    }
}

impl NativeStream {
    pub(super) fn poll_read(
        &mut self,
        context: &mut TaskContext<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let poll = match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, &mut buffer),
            Self::Other(stream) => Pin::new(stream).poll_read(context, &mut buffer),
            Self::Detached(_) => Poll::Ready(Ok(())),
        };
        poll.map_ok(|()| buffer.filled().len())
    }

    pub(super) fn poll_write(
        &mut self,
        context: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Other(stream) => {
                let written = Pin::new(&mut *stream).poll_write(context, bytes);
                // TLS keeps records of its own: push them out too.
                if let Poll::Ready(Ok(_)) = written
                    && let Poll::Ready(Err(error)) = Pin::new(stream).poll_flush(context)
                {
                    return Poll::Ready(Err(error));
                }
                written
            }
            Self::Detached(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Pushes out what TLS still holds.
    pub(super) fn poll_flush(&mut self, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Other(stream) => Pin::new(stream).poll_flush(context),
            Self::Tcp(_) | Self::Detached(_) => Poll::Ready(Ok(())),
        }
    }

    pub(super) fn poll_shutdown(&mut self, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Other(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Detached(_) => Poll::Ready(Ok(())),
        }
    }
}

/// One native websocket. Owned by its connection's actor, its [`Reader`] and the thread's list of sockets.
pub(super) struct NativeSocket {
    stream: RefCell<NativeStream>,
    shared: Arc<Shared>,
    /// Taken from the outbox, not yet in the kernel; `written` bytes of the first are. None if there is nothing.
    pending: RefCell<Option<Box<Queue>>>,
    written: Cell<usize>,
    slot: Cell<Option<Slot>>,
    /// The connection's task, which waits for the kernel when it is blocked.
    task: RefCell<Option<Waker>>,
    is_attached: Cell<bool>,
    /// The answer to the handshake is the first of `pending`.
    has_head: Cell<bool>,
    /// The client has said its last.
    is_heard_out: Cell<bool>,
    is_blocked: Cell<bool>,
    is_watched: Cell<bool>,
    is_dead: Cell<bool>,
    is_finishing: Cell<bool>,
}

impl NativeSocket {
    /// `head` is what has to be written before all else.
    pub(super) fn new(stream: NativeStream, head: Bytes, shared: Arc<Shared>) -> Rc<Self> {
        let has_head = !head.is_empty();
        let socket = Rc::new(Self {
            stream: RefCell::new(stream),
            shared,
            pending: RefCell::default(),
            written: Cell::new(0),
            slot: Cell::new(None),
            task: RefCell::default(),
            is_attached: Cell::new(false),
            has_head: Cell::new(has_head),
            is_heard_out: Cell::new(false),
            is_blocked: Cell::new(false),
            is_watched: Cell::new(false),
            is_dead: Cell::new(false),
            is_finishing: Cell::new(false),
        });
        if has_head {
            socket.put(Item::direct(Out::Head(Box::new(head))));
        }
        socket
    }

    fn put(&self, item: Item) {
        self.pending.borrow_mut().get_or_insert_default().push_back(item);
    }

    /// Drains the outbox from now on.
    pub(super) fn attach(self: &Rc<Self>) {
        let slot = turn::register(self.clone());
        self.slot.set(Some(slot));
        self.is_attached.set(true);
        if let Some(task) = &*self.task.borrow() {
            self.shared.outbox.set_owner(task);
        }
        self.shared.outbox.attach_native(slot);
    }

    /// Sends a frame past the outbox.
    pub(super) fn send_direct(self: &Rc<Self>, frame: Bytes) {
        self.put(Item::direct(Out::Frame(Box::new(frame))));
        self.clone().flush();
    }

    /// Since when the first byte the kernel does not take has been waiting.
    pub(super) fn blocked_on(&self) -> Option<Moment> {
        let pending = self.pending.borrow();
        pending.as_ref()?.front().filter(|_| self.is_blocked.get()).map(|item| item.since)
    }

    pub(super) fn stop_watching(&self) {
        self.is_watched.set(false);
    }

    /// Sends what is left, if `is_polite`, and lets go of the socket. The connection's actor ends meanwhile.
    pub(super) fn finish(self: Rc<Self>, is_polite: bool) {
        if self.is_finishing.replace(true) {
            return;
        }
        let slot = self.slot.take();
        if is_polite && !self.is_dead.get() {
            self.clone().flush();
            // A plain socket without unread bytes is closed in order by letting go of it.
            let is_over = self.is_dead.get()
                || self.is_heard_out.get()
                    && self.pending.borrow().is_none()
                    && matches!(*self.stream.borrow(), NativeStream::Tcp(_));
            if !is_over {
                super::local_tasks::spawn(async move {
                    let _ = tokio::time::timeout(LINGER, self.linger()).await;
                });
            }
        }
        if let Some(slot) = slot {
            turn::unregister(slot);
        }
    }

    /// Writes the rest, says goodbye and waits for the client's end, so that no reset overtakes the last bytes.
    async fn linger(&self) {
        let is_sent = poll_fn(|context| match self.write(context) {
            Poll::Ready(()) if self.is_dead.get() => Poll::Ready(false),
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => Poll::Pending,
        })
        .await;
        if !is_sent || poll_fn(|context| self.stream.borrow_mut().poll_shutdown(context)).await.is_err() {
            return;
        }
        let mut rest = [0; 1024];
        while let Ok(1..) = poll_fn(|context| self.stream.borrow_mut().poll_read(context, &mut rest)).await {}
    }

    /// Writes everything there is; pending when the kernel is full.
    fn write(&self, context: &mut TaskContext<'_>) -> Poll<()> {
        if self.is_dead.get() {
            // More may be pushed before the actor notices; `written` belongs to an item that is gone.
            return Poll::Ready(());
        }
        let mut pending = self.pending.take().map_or_else(Queue::default, |pending| *pending);
        let (mut credit, mut sent, mut packets) = (0, 0, 0);
        if self.is_attached.get() && (pending.is_empty() || self.has_head.take()) {
            self.shared.outbox.take_for_native(0, WRITE_BUFFER, &mut pending);
        }
        let blocked = loop {
            if pending.is_empty() {
                break self.stream.borrow_mut().poll_flush(context).is_pending();
            }
            match self.write_some(&pending, context) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    let done = self.advance(&mut pending, written);
                    sent += written;
                    credit += done.0;
                    packets += done.1;
                }
                Poll::Ready(_) => {
                    self.is_dead.set(true);
                    pending = Queue::default();
                    break false;
                }
                Poll::Pending => break true,
            }
            if pending.is_empty() && self.is_attached.get() {
                self.shared.outbox.take_for_native(std::mem::take(&mut credit), WRITE_BUFFER, &mut pending);
            }
        };
        if !pending.is_empty() {
            self.pending.replace(Some(Box::new(pending)));
        }
        if sent > 0 {
            self.shared.engine.counters.here().websocket.sent(packets, sent);
        }
        let was_blocked = self.is_blocked.replace(blocked);
        if self.is_attached.get() && (credit > 0 || blocked != was_blocked) {
            self.shared.outbox.credit(credit, blocked);
        }
        if blocked { Poll::Pending } else { Poll::Ready(()) }
    }

    /// One write of as much as fits a buffer.
    fn write_some(&self, pending: &Queue, context: &mut TaskContext<'_>) -> Poll<io::Result<usize>> {
        let revision = self.shared.outbox.revision;
        let mut stream = self.stream.borrow_mut();
        let mut items = pending.iter();
        let Some(first) = items.next() else { return Poll::Ready(Ok(0)) };
        let frames = first.out.websocket(revision);
        let first = &frames[self.written.get()..];
        if pending.len() == 1 || first.len() >= WRITE_BUFFER {
            return stream.poll_write(context, first);
        }
        WRITE.with_borrow_mut(|buffer| {
            buffer.clear();
            buffer.extend_from_slice(first);
            for item in items {
                if buffer.len() + item.size() > WRITE_BUFFER {
                    break;
                }
                item.out.append_websocket(revision, buffer);
            }
            stream.poll_write(context, buffer)
        })
    }

    /// Forgets what has been written; returns the outbox's bytes among it, and how many packets it was.
    fn advance(&self, pending: &mut Queue, written: usize) -> (usize, usize) {
        let revision = self.shared.outbox.revision;
        let (mut credit, mut packets) = (0, 0);
        let mut done = self.written.get() + written;
        while let Some(item) = pending.front() {
            let length = item.out.websocket_len(revision);
            if done < length {
                break;
            }
            done -= length;
            credit += item.size();
            packets += item.out.packets();
            pending.pop_front();
        }
        self.written.set(done);
        (credit, packets)
    }
}

impl Flush for NativeSocket {
    fn look(&self) -> bool {
        self.is_dead.get() || self.shared.outbox.look()
    }

    fn flush(self: Rc<Self>) {
        let mut context = TaskContext::from_waker(Waker::noop());
        // Many sockets are flushed in one task. Its budget is for fewer: to the rest the kernel would look full.
        let write = pin!(tokio::task::unconstrained(poll_fn(|context| self.write(context))));
        let poll = write.poll(&mut context);
        // The connection's task has to wait for the kernel, or to notice that the socket is dead.
        if (poll.is_pending() || self.is_dead.get())
            && let Some(task) = &*self.task.borrow()
        {
            task.wake_by_ref();
        }
    }
}
