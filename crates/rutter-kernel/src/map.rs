//! From what an outlet tells to what is wanted of the kernel.

use rutter_rib::ToldRoute;
use rutter_route::{NextHop, Prefix};
use tokio::sync::watch;

use crate::fib::{Target, Wanted};
use crate::hop::{Hop, HopSet};

/// Says what is wanted of the kernel for what was told of a prefix. Whoever knows where a peer or
/// a node is brings its own.
pub trait Map: Send + Sync + 'static {
    /// What is wanted. `routes` are the best and its equals, or more; none: it is unreachable.
    ///
    /// # Errors
    /// The kernel can't be told so: why. The prefix is refused, and has no route.
    fn wanted(&self, prefix: &Prefix, routes: &[ToldRoute]) -> Result<Wanted, String>;

    /// The table's word for a hop of what was wanted, so that the table hears that it can't be used,
    /// or can again. `None`: it hears nothing.
    fn next_hop(&self, hop: &Hop) -> Option<NextHop>;

    /// Changes when [`Map::wanted`] may answer otherwise for what it was asked before: then all of the
    /// table is told again, and what is wanted as before changes nothing. `None`: it never does.
    fn moves(&self) -> Option<watch::Receiver<u64>> {
        None
    }
}

/// Takes next hops that are addresses, and `discard`. The kernel's priority is the metric of the
/// best; its equals share the traffic by their weights.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByAddress;

impl Map for ByAddress {
    fn wanted(&self, _: &Prefix, routes: &[ToldRoute]) -> Result<Wanted, String> {
        let Some(best) = routes.first() else {
            return Ok(Wanted { target: Target::Unreachable, priority: 0 });
        };
        let priority = best.attributes.metric;
        if best.attributes.next_hop == NextHop::Discard {
            return Ok(Wanted { target: Target::Blackhole, priority });
        }
        let equals = routes.iter().take_while(|route| route.equal);
        let hops = equals.filter_map(|route| match route.attributes.next_hop {
            NextHop::Address(via) => Some(Hop::via(via).weighing(route.attributes.weight)),
            _ => None,
        });
        match HopSet::new(hops) {
            Some(hops) => Ok(Wanted { target: Target::Via(hops), priority }),
            None => Err(format!("`{}` is no next hop of the kernel's", best.attributes.next_hop)),
        }
    }

    fn next_hop(&self, hop: &Hop) -> Option<NextHop> {
        hop.via.map(NextHop::Address)
    }
}

#[cfg(test)]
mod tests;
