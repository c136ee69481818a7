//! What Socket.IO nodes and external processes say to each other over NATS.
