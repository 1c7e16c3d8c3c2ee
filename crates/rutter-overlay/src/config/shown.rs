//! How values are shown to people.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::names::{InterfaceAddress, LinkName, PeerName, RoutingTable, Vni};

/// Whole seconds, or milliseconds: `30s`, `300ms`.
pub(super) fn period<S: Serializer>(period: &Duration, s: S) -> Result<S::Ok, S::Error> {
    match period.subsec_millis() {
        0 => s.collect_str(&format_args!("{}s", period.as_secs())),
        _ => s.collect_str(&format_args!("{}ms", period.as_millis())),
    }
}

macro_rules! as_text {
    ($($type:ty),+) => {
        $(impl Serialize for $type {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        })+
    };
}
as_text!(InterfaceAddress, LinkName, PeerName, RoutingTable, Vni);
