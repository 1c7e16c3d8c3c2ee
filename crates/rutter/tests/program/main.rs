//! The program as people meet it: the built binary, its output, its exit codes, real sockets.

mod demo;
mod life;
mod newcomer;
mod reload;
mod support;
mod ways_out;
