//! How requests are shared among the members of a link: the settings, not the sharing.

use std::time::Duration;

use rutter_route::{Group, ServiceName};

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

/// Who gets the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BalanceMode {
    /// One after the other, by weight.
    #[default]
    RoundRobin,
    /// Who has the fewest under way.
    LeastConnections,
    /// The client's address decides; when its member fails, the next by rendezvous.
    IpHash,
    /// The less busy of two drawn by lot. Rutter's own: the original has no such mode.
    TwoChoices,
}

impl BalanceMode {
    /// The words for the modes, the original's first.
    pub const WORDS: [&'static str; 4] = ["round_robin", "least_conn", "ip_hash", "two_choices"];

    /// The mode as its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastConnections => "least_conn",
            Self::IpHash => "ip_hash",
            Self::TwoChoices => "two_choices",
        }
    }

    /// The mode of a word, whose case and underscores don't count.
    pub fn of_word(word: &str) -> Option<Self> {
        match word.replace('_', "").to_ascii_lowercase().as_str() {
            "roundrobin" => Some(Self::RoundRobin),
            "leastconn" => Some(Self::LeastConnections),
            "iphash" => Some(Self::IpHash),
            "twochoices" => Some(Self::TwoChoices),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modes_word_is_found_in_any_case_and_with_or_without_underscores() {
        for word in BalanceMode::WORDS {
            let mode = BalanceMode::of_word(word).unwrap();
            assert_eq!(mode.as_str(), word);
            assert_eq!(BalanceMode::of_word(&word.replace('_', "").to_uppercase()), Some(mode));
        }
        assert_eq!(BalanceMode::of_word("random"), None);
    }
}
