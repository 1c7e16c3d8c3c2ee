//! How a route stands.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What follows from the facts about a route.
///
/// Eligible; impaired, which ranks behind eligible in the order below; or barred, which keeps it
/// in the table but out of every ranked list. Where several facts hold, a barred route shows the
/// first in the order below and clearing it reveals the next; an impaired one shows the worst.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Standing {
    /// Nothing speaks against it.
    #[default]
    Eligible = 0,
    /// Impaired: it asks to be used last.
    Draining = 1,
    /// Impaired: its source is away in a graceful restart.
    Stale = 2,
    /// Impaired: a probe says that it doesn't work.
    Unhealthy = 3,
    /// Barred: policy or a person says no.
    Denied = 4,
    /// Barred: nobody has approved it yet.
    Unapproved = 5,
    /// Barred: its source is away.
    Offline = 6,
    /// Barred: its next hop can't be reached.
    Unresolved = 7,
    /// Barred until a time: hold-down after a withdrawal, or damping of flaps.
    Held = 8,
}

impl Standing {
    /// Every standing, in order.
    pub const ALL: [Self; 9] = [
        Self::Eligible,
        Self::Draining,
        Self::Stale,
        Self::Unhealthy,
        Self::Denied,
        Self::Unapproved,
        Self::Offline,
        Self::Unresolved,
        Self::Held,
    ];

    /// Whether it keeps the route out of every ranked list.
    #[inline]
    pub fn is_barred(self) -> bool {
        self >= Self::Denied
    }

    /// Whether it is ranked, behind eligible ones.
    pub fn is_impaired(self) -> bool {
        !self.is_barred() && self != Self::Eligible
    }

    /// The standing as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eligible => "eligible",
            Self::Draining => "draining",
            Self::Stale => "stale",
            Self::Unhealthy => "unhealthy",
            Self::Denied => "denied",
            Self::Unapproved => "unapproved",
            Self::Offline => "offline",
            Self::Unresolved => "unresolved",
            Self::Held => "held",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
