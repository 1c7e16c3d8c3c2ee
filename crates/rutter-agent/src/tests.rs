//! What several modules' tests need: a real HTTP server, a STUN responder, a running agent.

pub(crate) mod link;
pub(crate) mod running;
pub(crate) mod server;
pub(crate) mod stun_responder;

mod redaction;
pub(crate) mod tls;
