//! How requests are shared among the members of a link: the settings, not the sharing.

use std::time::Duration;

use rutter_route::{BalanceMode, Group, ServiceName};

/// A route's place in a link (GoDoxy's `load_balance`): all routes of one provider that name a
/// link are one service under its name, and none is asked for by its own alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// The link: the alias that its members are asked for by.
    pub link: ServiceName,
    /// Who gets the next request.
    pub mode: BalanceMode,
    /// This member's share, 1 or more. The original computes shares and uses them in no mode.
    pub weight: u16,
    /// Whether a client stays with its member by a cookie.
    pub is_sticky: bool,
    /// How long the cookie lasts; `None`: as long as the client's session.
    pub sticky_max_age: Option<Duration>,
}

impl Balance {
    /// The group of equals in the table, named as the link.
    pub fn group(&self) -> Option<Group> {
        // A group's name takes 128 bytes, a service's 253; a longer link is refused in reading.
        self.link.as_str().parse().ok()
    }
}
