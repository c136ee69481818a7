//! The floor: a websocket server without any framework, on one thread, that answers as the testbed does and does nothing else.
//! It parses no JSON, checks nothing, has no heartbeat, no limits, one namespace and one room. Never to be used for anything but
//! comparison.
//!
//! `PORT` as the testbed's. Every frame is written at once, or, with `BATCHED=1`, what a batch of events produced for a
//! connection leaves in one write.

mod answers;
mod frames;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

const LISTENER: Token = Token(usize::MAX);
const READ: usize = 64 * 1024;

struct Connection {
    stream: TcpStream,
    upgraded: bool,
    /// Its place in the room.
    seat: Option<usize>,
    unread: Vec<u8>,
    unwritten: Vec<u8>,
}

/// All of the server but its sockets' events.
struct Server {
    poll: Poll,
    listener: TcpListener,
    batched: bool,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    room: Vec<usize>,
    dirty: Vec<usize>,
    closing: Vec<usize>,
    scratch: Vec<u8>,
    reply: Vec<u8>,
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(4096)?;
    Ok(TcpListener::from_std(socket.into()))
}

impl Server {
    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept()?;
                    continue;
                }
                let Token(id) = event.token();
                if event.is_writable()
                    && self.connections[id].as_ref().is_some_and(|one| !one.unwritten.is_empty())
                {
                    self.flush(id);
                }
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.read(id, event.is_read_closed() || event.is_error());
                }
            }
            for id in std::mem::take(&mut self.dirty) {
                self.flush(id);
            }
            for id in std::mem::take(&mut self.closing) {
                self.end(id);
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // it was gone before it was accepted
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let id = self.free.pop().unwrap_or(self.connections.len());
            self.poll.registry().register(&mut stream, Token(id), Interest::READABLE | Interest::WRITABLE)?;
            if id == self.connections.len() {
                self.connections.push(None);
            }
            self.connections[id] = Some(Connection {
                stream,
                upgraded: false,
                seat: None,
                unread: Vec::new(),
                unwritten: Vec::new(),
            });
        }
    }

    fn read(&mut self, id: usize, ending: bool) {
        let mut scratch = std::mem::take(&mut self.scratch);
        while let Some(connection) = self.connections[id].as_mut() {
            match connection.stream.read(&mut scratch) {
                Ok(0) => self.end(id),
                Ok(length) => {
                    if connection.unread.is_empty() {
                        let taken = self.bytes(id, &mut scratch[..length]);
                        if let Some(connection) = self.connections[id].as_mut().filter(|_| taken < length) {
                            connection.unread.extend_from_slice(&scratch[taken..length]);
                        }
                    } else {
                        let mut unread = std::mem::take(&mut connection.unread);
                        unread.extend_from_slice(&scratch[..length]);
                        let taken = self.bytes(id, &mut unread);
                        unread.drain(..taken);
                        if let Some(connection) = self.connections[id].as_mut().filter(|_| !unread.is_empty())
                        {
                            connection.unread = unread;
                        }
                    }
                    if length < READ && !ending {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.end(id),
            }
        }
        self.scratch = scratch;
    }

    /// Handles what is complete, and says how much that was.
    fn bytes(&mut self, id: usize, bytes: &mut [u8]) -> usize {
        let mut taken = 0;
        if self.connections[id].as_ref().is_some_and(|connection| !connection.upgraded) {
            let Some((answer, length)) = frames::handshake(bytes) else { return 0 };
            if let Some(connection) = self.connections[id].as_mut() {
                connection.upgraded = true;
            }
            taken = length;
            self.send(id, answer.as_bytes());
            let mut open = Vec::new();
            frames::write_text(&mut open, &[answers::open(id).as_bytes()]);
            self.send(id, &open);
        }
        while let Some((opcode, payload, length)) = frames::read(&mut bytes[taken..]) {
            if opcode == frames::CLOSE {
                self.send(id, frames::CLOSED);
                self.closing.push(id);
                return taken + length;
            }
            let mut reply = std::mem::take(&mut self.reply);
            reply.clear();
            match answers::answer(id, payload, &mut reply) {
                answers::Action::None => {}
                answers::Action::Join => self.join(id),
                answers::Action::Leave => self.leave(id),
                answers::Action::Broadcast => {
                    for seat in 0..self.room.len() {
                        self.send(self.room[seat], &reply);
                    }
                    reply.clear();
                }
            }
            if !reply.is_empty() {
                self.send(id, &reply);
            }
            self.reply = reply;
            taken += length;
        }
        taken
    }

    fn join(&mut self, id: usize) {
        let Some(connection) = self.connections[id].as_mut() else { return };
        if connection.seat.is_none() {
            connection.seat = Some(self.room.len());
            self.room.push(id);
        }
    }

    fn leave(&mut self, id: usize) {
        let Some(seat) = self.connections[id].as_mut().and_then(|connection| connection.seat.take()) else {
            return;
        };
        self.room.swap_remove(seat);
        if let Some(moved) = self.room.get(seat).and_then(|id| self.connections[*id].as_mut()) {
            moved.seat = Some(seat);
        }
    }

    fn send(&mut self, id: usize, frame: &[u8]) {
        let Some(connection) = self.connections[id].as_mut() else { return };
        if self.batched {
            if connection.unwritten.is_empty() {
                self.dirty.push(id);
            }
            connection.unwritten.extend_from_slice(frame);
            return;
        }
        if connection.unwritten.is_empty() {
            match connection.stream.write(frame) {
                Ok(length) if length == frame.len() => {}
                Ok(length) => connection.unwritten.extend_from_slice(&frame[length..]),
                Err(_) => connection.unwritten.extend_from_slice(frame),
            }
        } else {
            connection.unwritten.extend_from_slice(frame);
        }
    }

    fn flush(&mut self, id: usize) {
        let Some(connection) = self.connections[id].as_mut() else { return };
        // an error shows when the socket is read
        let written = connection.stream.write(&connection.unwritten).unwrap_or(0);
        if written == connection.unwritten.len() {
            // no memory is kept: the next batch may be another connection's
            connection.unwritten = Vec::new();
        } else {
            connection.unwritten.drain(..written);
        }
    }

    fn end(&mut self, id: usize) {
        self.leave(id);
        if self.connections[id].take().is_some() {
            self.free.push(id);
        }
    }
}

fn main() -> io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000);
    let poll = Poll::new()?;
    let mut listener = listen(port)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut server = Server {
        poll,
        listener,
        batched: std::env::var("BATCHED").is_ok_and(|batched| batched == "1"),
        connections: Vec::new(),
        free: Vec::new(),
        room: Vec::new(),
        dirty: Vec::new(),
        closing: Vec::new(),
        scratch: vec![0; READ],
        reply: Vec::new(),
    };
    server.run()
}
