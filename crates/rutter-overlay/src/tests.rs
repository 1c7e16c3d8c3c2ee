//! Hosts that speak with each other over real sockets.

mod limits;
mod net;
mod peers;
mod reload;
mod simulated;
mod transit;
