//! A node that changes what it says, and a person who approves and revokes it.
//!
//! One after the other, so that what must be there after each acknowledgement is known, and at a kill
//! one word at most is on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use rutter_route::Prefix;
use serde_json::json;

use super::controller::{Asks, Row};
use super::node::Node;
use crate::dice::Dice;

/// Routes of which each has some.
const PREFIXES: usize = 6;

/// What must be told of a route: whether it is advertised, and the word on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Route {
    advertised: bool,
    approval: Option<bool>,
}

/// Routes of which there is a row.
type Routes = BTreeMap<Prefix, Route>;

/// See the module's head.
pub(super) struct Changing {
    pub(super) node: Node,
    all: Vec<Prefix>,
    /// What it says, acknowledged or not.
    says: BTreeSet<Prefix>,
    /// What was acknowledged.
    is: Routes,
    /// What is, if the word that is on its way has arrived.
    may_be: Option<Routes>,
}

#[derive(Debug)]
enum Word {
    Says(BTreeSet<Prefix>),
    Approve(Prefix),
    Revoke(Prefix),
}

impl Changing {
    pub(super) fn new(n: usize, node: Node) -> Self {
        let all = (0..PREFIXES).map(|m| format!("10.{}.{m}.0/24", n + 1).parse().unwrap());
        let (says, is) = (BTreeSet::new(), Routes::new());
        Self { node, all: all.collect(), says, is, may_be: None }
    }

    /// Until nobody answers any more.
    pub(super) async fn for_ever(
        mut self,
        asks: Asks,
        mut dice: Dice,
        n_words: Arc<Mutex<usize>>,
    ) -> Self {
        loop {
            let word = self.next_word(&mut dice);
            self.may_be = Some(after(&self.is, &word));
            let acknowledged = match word {
                Word::Says(says) => {
                    self.says.clone_from(&says);
                    self.node.says(says).await
                }
                Word::Approve(prefix) => {
                    let body = json!({ "prefixes": [prefix], "why": "under load" });
                    asks.say(&self.node, "approve", body).await.is_some()
                }
                Word::Revoke(prefix) => {
                    let body = json!({ "prefixes": [prefix], "why": "under load" });
                    asks.say(&self.node, "revoke", body).await.is_some()
                }
            };
            if !acknowledged {
                return self;
            }
            self.is = self.may_be.take().expect("it was said");
            *n_words.lock().unwrap() += 1;
        }
    }

    fn next_word(&self, dice: &mut Dice) -> Word {
        let said: Vec<&Prefix> = self.says.iter().collect();
        match dice.below(5) {
            0 | 1 if !said.is_empty() => Word::Approve(*said[dice.below(said.len())]),
            2 if !said.is_empty() => Word::Revoke(*said[dice.below(said.len())]),
            _ => Word::Says(self.all.iter().filter(|_| dice.below(2) == 0).copied().collect()),
        }
    }

    /// Its session began anew, with what it says.
    pub(super) fn has_said_it_again(&mut self) {
        self.is = after(&self.is, &Word::Says(self.says.clone()));
    }

    /// All that was acknowledged is there, and what was on its way as a whole or not at all.
    pub(super) fn is_as_it_was(&mut self, rows: &[Row], when: &str) {
        let mine = rows.iter().filter(|row| row.node == self.node.id);
        let found: Routes = mine
            .map(|row| {
                let approval = row.approval.as_ref().map(|word| word.is);
                let route = Route { advertised: row.advertised, approval };
                let enabled = row.advertised && approval == Some(true);
                assert_eq!(row.enabled, enabled, "{when}: {row:?}");
                (row.prefix.parse().unwrap(), route)
            })
            .collect();
        let name = &self.node.name;
        match self.may_be.take() {
            Some(may_be) => assert!(
                found == self.is || found == may_be,
                "{when}: {name} has {found:#?}\nacknowledged: {:#?}\non its way: {may_be:#?}",
                self.is
            ),
            None => assert_eq!(found, self.is, "{when}: {name}: what was acknowledged"),
        }
        self.is = found;
    }
}

/// What must be told when a word has arrived.
fn after(routes: &Routes, word: &Word) -> Routes {
    let mut routes = routes.clone();
    match word {
        Word::Says(says) => {
            for (prefix, route) in &mut routes {
                let withdrawn = route.advertised && !says.contains(prefix);
                // It ends an approval, and no revocation.
                if withdrawn && route.approval == Some(true) {
                    route.approval = None;
                }
                route.advertised = false;
            }
            for prefix in says {
                routes.entry(*prefix).or_default().advertised = true;
            }
        }
        Word::Approve(prefix) => routes.entry(*prefix).or_default().approval = Some(true),
        Word::Revoke(prefix) => routes.entry(*prefix).or_default().approval = Some(false),
    }
    routes
}
