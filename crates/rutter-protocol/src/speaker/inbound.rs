//! What a neighbour says: checks of claims, loops and bounds, and into the tables.
//!
//! The pipeline of a route, each step with its [`Reason`](crate::stats::Reason): schema (path,
//! advertiser, destination), loop, claim (version, life, signature, who may originate), bounds; then
//! the table's own: policy, hold-down and damping, which bar a route and refuse nothing.

use rutter_rib::Book;
use rutter_route::{ClusterId, Now};

use super::{Output, Speaker};
use crate::wire::Message;

impl Speaker {
    /// One message whose signature is good, or needs none.
    pub(crate) fn said(
        &mut self,
        _now: Now,
        _book: &mut Book,
        _by: &ClusterId,
        _message: Message,
        _out: &mut Vec<Output>,
    ) {
        todo!("H3")
    }
}
