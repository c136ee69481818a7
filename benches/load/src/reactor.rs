//! Non-blocking sockets on one thread: connects, reads, and writes once per turn what was queued. Knows no protocol; the
//! [`Handler`] above it does.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections come from so many addresses (127.0.0.1 and on): one has 28,000 ports, some of them waiting after a close.
const SOURCES: usize = 64;
const READ: usize = 256 * 1024;
/// What the kernel may take for a client that does not read: otherwise megabytes, before the server notices.
const DEAF_BUFFER: usize = 16 * 1024;

/// What happens to connections. A connection is named by its slot, which is used again after its end.
pub(crate) trait Handler {
    /// It is open.
    fn opened(&mut self, out: &mut Outgoing, id: usize);
    /// Bytes arrived, after those it did not take before. Returns how many it took.
    fn bytes(&mut self, out: &mut Outgoing, id: usize, bytes: &[u8]) -> io::Result<usize>;
    /// It ended, by whichever side.
    fn closed(&mut self, out: &mut Outgoing, id: usize);
}

/// What is to be written and closed when the turn ends.
#[derive(Default)]
pub(crate) struct Outgoing {
    buffers: Vec<Vec<u8>>,
    dirty: Vec<usize>,
    closing: Vec<usize>,
}

impl Outgoing {
    /// The buffer of a connection, to append to.
    pub(crate) fn buffer(&mut self, id: usize) -> &mut Vec<u8> {
        if self.buffers[id].is_empty() {
            self.dirty.push(id);
        }
        &mut self.buffers[id]
    }

    /// Ends a connection after what is queued for it was tried.
    pub(crate) fn close(&mut self, id: usize) {
        self.closing.push(id);
    }
}

struct Connection {
    stream: TcpStream,
    open: bool,
    unread: Vec<u8>,
}

/// The sockets of the generator.
pub(crate) struct Reactor {
    poll: Poll,
    events: Events,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// How many sockets were ever opened: picks the source address.
    opened: usize,
    scratch: Vec<u8>,
    pub(crate) out: Outgoing,
    /// Does not read.
    deaf: Option<usize>,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Reactor> {
        Ok(Reactor {
            poll: Poll::new()?,
            events: Events::with_capacity(4096),
            connections: Vec::new(),
            free: Vec::new(),
            opened: 0,
            scratch: vec![0; READ],
            out: Outgoing::default(),
            deaf: None,
        })
    }

    /// Starts to connect, and returns the slot.
    pub(crate) fn connect(&mut self, target: SocketAddr) -> io::Result<usize> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        let last = u8::try_from(self.opened % SOURCES).unwrap_or(0) + 1;
        socket.bind(&SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0).into())?;
        match socket.connect(&target.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        self.opened += 1;
        let mut stream = TcpStream::from_std(socket.into());
        let id = self.free.pop().unwrap_or(self.connections.len());
        self.poll.registry().register(&mut stream, Token(id), Interest::READABLE | Interest::WRITABLE)?;
        if id == self.connections.len() {
            self.connections.push(None);
            self.out.buffers.push(Vec::new());
        }
        self.connections[id] = Some(Connection { stream, open: false, unread: Vec::new() });
        Ok(id)
    }

    /// Lets one connection read no more, nor the kernel much for it.
    pub(crate) fn set_deaf(&mut self, id: Option<usize>) -> io::Result<()> {
        self.deaf = id;
        match id.and_then(|id| self.connections[id].as_ref()) {
            Some(connection) => SockRef::from(&connection.stream).set_recv_buffer_size(DEAF_BUFFER),
            None => Ok(()),
        }
    }

    /// How many connections there are, open or on their way.
    pub(crate) fn len(&self) -> usize {
        self.connections.len() - self.free.len()
    }

    /// Ends all connections.
    pub(crate) fn drop_all(&mut self, handler: &mut impl Handler) {
        for id in 0..self.connections.len() {
            self.end(handler, id);
        }
    }

    /// Writes what is queued, waits for events, handles them, and writes what they queued.
    pub(crate) fn turn(&mut self, handler: &mut impl Handler, timeout: Duration) -> io::Result<()> {
        self.flush(handler);
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(1));
        for event in &events {
            let Token(id) = event.token();
            let Some(connection) = self.connections[id].as_mut() else { continue };
            if event.is_writable() && !connection.open && event.is_error() {
                return Err(connection
                    .stream
                    .take_error()?
                    .unwrap_or_else(|| io::ErrorKind::ConnectionRefused.into()));
            }
            if event.is_writable() {
                if connection.open {
                    self.write(handler, id);
                } else {
                    connection.open = true;
                    handler.opened(&mut self.out, id);
                }
            }
            if self.deaf == Some(id) {
                if event.is_error() || event.is_read_closed() {
                    self.end(handler, id);
                }
                continue;
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.read(handler, id, event.is_read_closed() || event.is_error())?;
            }
        }
        self.events = events;
        self.flush(handler);
        Ok(())
    }

    /// Reads until the socket is empty. `ending`: the peer is known to have closed, so the end of the stream is there to be read.
    fn read(&mut self, handler: &mut impl Handler, id: usize, ending: bool) -> io::Result<()> {
        while let Some(connection) = self.connections[id].as_mut() {
            match connection.stream.read(&mut self.scratch) {
                Ok(0) => {
                    self.end(handler, id);
                    break;
                }
                Ok(length) => {
                    let arrived = &self.scratch[..length];
                    if connection.unread.is_empty() {
                        let taken = handler.bytes(&mut self.out, id, arrived)?;
                        connection.unread.extend_from_slice(&arrived[taken..]);
                    } else {
                        connection.unread.extend_from_slice(arrived);
                        let taken = handler.bytes(&mut self.out, id, &connection.unread)?;
                        connection.unread.drain(..taken);
                    }
                    if length < READ && !ending {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.end(handler, id);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Writes as much as the socket takes; the rest waits until it is writable.
    fn write(&mut self, handler: &mut impl Handler, id: usize) {
        let Some(connection) = self.connections[id].as_mut().filter(|connection| connection.open) else {
            return;
        };
        let buffer = &mut self.out.buffers[id];
        let mut written = 0;
        while written < buffer.len() {
            match connection.stream.write(&buffer[written..]) {
                Ok(length) => written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.end(handler, id);
                    return;
                }
            }
        }
        buffer.drain(..written);
    }

    fn flush(&mut self, handler: &mut impl Handler) {
        while !self.out.dirty.is_empty() || !self.out.closing.is_empty() {
            for id in std::mem::take(&mut self.out.dirty) {
                self.write(handler, id);
            }
            for id in std::mem::take(&mut self.out.closing) {
                self.end(handler, id);
            }
        }
    }

    pub(crate) fn end(&mut self, handler: &mut impl Handler, id: usize) {
        let Some(mut connection) = self.connections[id].take() else { return };
        // the descriptor is closed right after: whether it was still registered does not matter
        let _ = self.poll.registry().deregister(&mut connection.stream);
        self.out.buffers[id].clear();
        self.out.dirty.retain(|dirty| *dirty != id);
        self.free.push(id);
        handler.closed(&mut self.out, id);
    }
}

/// The connection is on its way.
const EINPROGRESS: i32 = 115;
