//! Rules made as they are wanted, through a socket.

use std::collections::BTreeSet;

use rustix::io::Errno;

use super::{Family, FoundRule, Rule, difference};
use crate::error::{KernelError, Said};
use crate::socket::Socket;
use crate::wire::{self, Batch};

/// How often rules are compared until they are as wanted.
const ROUNDS: u32 = 4;

/// Of these rules, those that the kernel doesn't have, whoever put them, in the network namespace of
/// the calling thread. Nothing is changed.
///
/// # Errors
/// The kernel can't be asked.
pub fn missing_rules(wanted: &BTreeSet<Rule>) -> Result<Vec<Rule>, KernelError> {
    let found = list(&mut Socket::open()?)?;
    // Of what is found nothing is removed here, so whose it is doesn't matter.
    Ok(difference(wanted, &found, 0, |_| false).add)
}

/// Keeps the rules of one owner.
#[derive(Debug, Default)]
pub(crate) struct RuleKeeper {
    /// Rules were put before: one that is missing is drift.
    has_put: bool,
    refused: Vec<(Rule, String)>,
}

impl RuleKeeper {
    /// The rules that the kernel refused when it was last told, and why.
    pub(crate) fn refused(&self) -> &[(Rule, String)] {
        &self.refused
    }

    /// Makes the rules as they are wanted. `is_ours` says of a rule with our protocol number
    /// whether it belongs to whoever asks. Says how many someone else had removed.
    pub(crate) fn settle(
        &mut self,
        socket: &mut Socket,
        protocol: u8,
        wanted: &BTreeSet<Rule>,
        is_ours: impl Fn(&Rule) -> bool,
    ) -> Result<usize, KernelError> {
        let mut drift = 0;
        for round in 0..ROUNDS {
            let found = list(socket)?;
            let difference = difference(wanted, &found, protocol, &is_ours);
            if round == 0 && self.has_put {
                drift = difference.add.iter().filter(|rule| !self.is_refused(rule)).count();
            }
            self.has_put = true;
            if difference.is_empty() {
                self.refused.clear();
                break;
            }
            let mut batch = Batch::default();
            for rule in &difference.add {
                wire::put_rule(&mut batch, protocol, rule);
            }
            for rule in &difference.remove {
                wire::delete_rule(&mut batch, protocol, rule);
            }
            let refused = socket.ask(&mut batch)?;
            let refused: Vec<(Rule, Said)> = refused
                .into_iter()
                .filter_map(|(place, said)| Some((difference.add.get(place)?.clone(), said)))
                .collect();
            // Asked once a look: what is refused now is refused in the next round too.
            let all_refused = refused.len() == difference.add.len() && difference.remove.is_empty();
            self.refused =
                refused.into_iter().map(|(rule, said)| (rule, said.to_string())).collect();
            if all_refused {
                break;
            }
        }
        Ok(drift)
    }

    fn is_refused(&self, rule: &Rule) -> bool {
        self.refused.iter().any(|(refused, _)| refused == rule)
    }
}

/// The rules of both families; none of a family that the kernel lacks.
fn list(socket: &mut Socket) -> Result<Vec<FoundRule>, KernelError> {
    let mut rules = Vec::new();
    for family in [Family::V4, Family::V6] {
        let list = |batch: &mut Batch| wire::list_rules(batch, family);
        let listed = socket.list("rules", list, Vec::new, |rules, row| {
            rules.extend(wire::rule_row(row));
        });
        match listed {
            Ok(listed) => rules.extend(listed),
            Err(KernelError::Dump { said, .. })
                if matches!(said.errno, Errno::OPNOTSUPP | Errno::AFNOSUPPORT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(rules)
}
