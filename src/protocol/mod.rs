//! Socket.IO packets.
