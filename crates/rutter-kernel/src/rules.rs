//! Rules: which packets are looked up in which table. What is wanted against what is found.
//!
//! Invariants:
//! - a rule without our protocol number is never removed, whatever it says;
//! - what is missing is added before what is too much is removed.
//!
//! One that somebody else has put and that says the same does the job: ours isn't put beside it.
//! Two rules that are alike in all but a selector can't be told apart in a removal, in which a
//! selector that isn't named means any; so after a removal is looked again ([`RuleKeeper`]).

mod keep;

use std::collections::BTreeSet;
use std::fmt;

use rutter_route::Prefix;

use crate::hop::LinkName;

pub(crate) use keep::RuleKeeper;
pub use keep::missing_rules;

/// The most rules that one sink may want. Over it the sink doesn't start.
pub const MAX_RULES: usize = 1024;

/// The family of a rule: the kernel has a list for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Which mark a packet bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// The bits.
    pub value: u32,
    /// Those of them that count.
    pub mask: u32,
}

/// What becomes of the packets of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// They are looked up in a table, and if nothing is found there, the next rule is asked.
    Table(u32),
    /// Their sender hears that the destination is unreachable.
    Unreachable,
    /// Their sender hears that it is prohibited.
    Prohibit,
    /// They are dropped.
    Blackhole,
}

/// A rule; what isn't said isn't asked of a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// Its family.
    pub family: Family,
    /// Its place in the order: lower first.
    pub priority: u32,
    /// The link that packets come from.
    pub input: Option<LinkName>,
    /// The link that a local socket is bound to.
    pub output: Option<LinkName>,
    /// Where they come from.
    pub from: Option<Prefix>,
    /// Where they go.
    pub to: Option<Prefix>,
    /// How they are marked.
    pub mark: Option<Mark>,
    /// What becomes of them.
    pub verdict: Verdict,
}

impl Rule {
    /// A rule for all packets.
    pub fn new(family: Family, priority: u32, verdict: Verdict) -> Self {
        Self {
            family,
            priority,
            input: None,
            output: None,
            from: None,
            to: None,
            mark: None,
            verdict,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}", self.priority)?;
        let selectors = [
            ("from", self.from.as_ref().map(ToString::to_string)),
            ("to", self.to.as_ref().map(ToString::to_string)),
            ("iif", self.input.as_ref().map(ToString::to_string)),
            ("oif", self.output.as_ref().map(ToString::to_string)),
            ("fwmark", self.mark.map(|m| format!("{:#x}/{:#x}", m.value, m.mask))),
        ];
        for (word, value) in selectors {
            if let Some(value) = value {
                write!(f, " {word} {value}")?;
            }
        }
        match self.verdict {
            Verdict::Table(table) => write!(f, " lookup {table}"),
            Verdict::Unreachable => f.write_str(" unreachable"),
            Verdict::Prohibit => f.write_str(" prohibit"),
            Verdict::Blackhole => f.write_str(" blackhole"),
        }
    }
}

/// A rule as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundRule {
    /// What it says.
    pub(crate) rule: Rule,
    /// Who has put it.
    pub(crate) protocol: u8,
}

/// What makes the kernel's rules the wanted ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RuleDifference {
    /// To be added, first.
    pub(crate) add: Vec<Rule>,
    /// Ours, to be removed.
    pub(crate) remove: Vec<Rule>,
}

impl RuleDifference {
    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

/// What is to be done. `is_ours` says of a found rule with our protocol number whether it belongs
/// to whoever asks: one number may serve several tables.
pub(crate) fn difference(
    wanted: &BTreeSet<Rule>,
    found: &[FoundRule],
    protocol: u8,
    is_ours: impl Fn(&Rule) -> bool,
) -> RuleDifference {
    let there: BTreeSet<&Rule> = found.iter().map(|f| &f.rule).collect();
    let add = wanted.iter().filter(|rule| !there.contains(rule)).cloned().collect();
    let mut kept = BTreeSet::new();
    let ours = found.iter().filter(|f| f.protocol == protocol && is_ours(&f.rule));
    // The kernel takes the same twice if it is asked to; one is enough.
    let remove = ours.filter(|f| !(wanted.contains(&f.rule) && kept.insert(&f.rule)));
    RuleDifference { add, remove: remove.map(|f| f.rule.clone()).collect() }
}

#[cfg(test)]
mod tests;
