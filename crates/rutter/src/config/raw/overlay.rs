//! The section of the overlay role.

use std::path::PathBuf;

use rutter_route::SinkMode;
use serde::{Deserialize, Serialize};

use crate::config::section::{Described, Shape, section};

section! {
    /// The overlay: exchanges prefixes with peers, and keeps links, routes and rules of the kernel.
    /// It needs the right to change them (`CAP_NET_ADMIN`).
    Overlay {
        /// n-netman's file, version 1 or 2, which says everything but the keys below.
        netman: PathBuf = Required,
        /// `act`, or `observe`: it takes all routes in and ranks them, logs each difference that it
        /// would act on, and neither announces anything nor touches the kernel.
        mode: SinkMode = Is("act"),
        /// What becomes of the kernel's routes and rules at the end: they are removed (`flush`), stay
        /// for the next start (`adopt`), or stay for good (`leave`).
        at_end: AtEnd = Is("flush"),
        /// Links that were made here are removed at the end; without it they stay, as n-netman's do.
        remove_links: bool = Is("false"),
        /// The protocol number that its routes and rules bear, 5 to 255. Nothing that bears another is
        /// ever changed. 99 is n-netman's, and Open/R's: where that runs too, take another.
        protocol: u32 = Is("99"),
        /// The kernel's settings that routes need are set at the start, and by `rutter overlay apply`:
        /// forwarding on, a strict reverse path filter of the bridges loose, and with
        /// `next_hop_objects` their compatibility mode off. `rutter overlay doctor` names them.
        sysctl: bool = Is("false"),
        /// Routes name next-hop objects that they share, so that many move in one message; `ip route
        /// flush` doesn't work on such routes.
        next_hop_objects: bool = Is("false")
    }
}

/// What becomes of the kernel's routes and rules at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AtEnd {
    /// They are removed
    #[default]
    Flush,
    /// They stay, and the next start keeps what is right and removes the rest
    Adopt,
    /// They stay, and nothing that was found at the start is removed
    Leave,
}

impl Described for AtEnd {
    fn shape() -> Shape {
        Shape::Value("`flush`, `adopt` or `leave`")
    }
}
