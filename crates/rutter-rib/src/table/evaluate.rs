//! Import: what policy, credentials and decisions make of what was received.

use rutter_route::{
    Attributes, By, Decision, Destination, Now, PolicyTrace, SourceId, SourceKind, Word,
};

use crate::policy::{Approval, OnWithdraw, Policy, Rules, Subject};

use super::Table;
use super::candidate::{Candidate, Flags, Place};
use super::decisions::{Decided, On};
use super::sources::Source;

/// What import made of the set of attributes that it saw last: who advertises many routes with one
/// set has it asked once, where it makes the same of it for every destination. Whether it does is
/// looked at when the set comes again, as most never do where each route has its own. It is forgotten
/// with either set, with the policy, and when something is said of a source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memo {
    source: u32,
    pub(super) received: u32,
    pub(super) effective: u32,
    denied: bool,
    /// Whether it makes the same of it for every destination; `None`: nobody has looked.
    alike: Option<bool>,
}

/// What import makes of a route.
pub(super) struct Imported {
    pub(super) attributes: Attributes,
    pub(super) denied: bool,
    pub(super) unapproved: bool,
    pub(super) drained: bool,
    /// The rule that approved it just now.
    pub(super) approved_by: Option<String>,
}

impl<D: Destination> Table<D> {
    /// Runs import for one candidate, from what was received.
    pub(super) fn evaluate(&mut self, now: Now, id: u32, place: Place) {
        let candidate = *self.candidate(place);
        let source = &self.sources[candidate.source];
        let plain = self.policy.import.is_open()
            && self.policy.import_of.is_empty()
            && self.policy.approval == Approval::None
            && source.info.credential.is_none()
            && !source.decided;
        if plain {
            self.sets.retain(candidate.received);
            self.set_effective(place, candidate.received, [false; 3]);
            return;
        }
        let undecided = !source.decided;
        let said = (candidate.source, candidate.received);
        let memo = self.memo.filter(|memo| undecided && (memo.source, memo.received) == said);
        let alike = memo.map(|memo| {
            memo.alike.unwrap_or_else(|| self.imports_alike(source, candidate.received))
        });
        if let Some(memo) = memo.filter(|_| alike == Some(true)) {
            self.memo = Some(Memo { alike, ..memo });
            self.sets.retain(memo.effective);
            self.set_effective(place, memo.effective, [memo.denied, false, false]);
            return;
        }
        let received = self.sets.get(candidate.received).clone();
        let key = &self.dests[id].key;
        let imported = self.import(&self.policy, key, &candidate, received, None);
        let approves = imported
            .approved_by
            .is_some_and(|rule| self.approve_by_rule(now, id, &candidate, rule));
        let effective = self.intern_set(imported.attributes);
        let facts = [imported.denied, imported.unapproved, imported.drained];
        self.set_effective(place, effective, facts);
        let (source, received) = said;
        let memo = Memo { source, received, effective, denied: imported.denied, alike };
        self.memo = undecided.then_some(memo);
        if approves && self.dests[id].n > 1 {
            // The word is on (source, destination): it holds for the source's other paths too.
            self.marks.set(id);
            self.reimport_destination(now, id, Some(candidate.source));
        }
    }

    /// Whether import makes the same of this set whatever destination a source says it of.
    fn imports_alike(&self, source: &Source, received: u32) -> bool {
        let attributes = self.sets.get(received);
        !source.decided
            && source.info.credential.is_none()
            && self.policy.approval == Approval::None
            && !lists(&self.policy, source).any(|rules| rules.asks_destination(D::KIND, attributes))
    }

    /// Takes over an effective set that is counted for the candidate already.
    fn set_effective(&mut self, place: Place, effective: u32, facts: [bool; 3]) {
        let before = *self.candidate(place);
        let candidate = self.candidate_mut(place);
        let [denied, unapproved, drained] = facts;
        candidate.effective = effective;
        candidate.flags.set(Flags::DENIED, denied);
        candidate.flags.set(Flags::UNAPPROVED, unapproved);
        candidate.flags.set(Flags::DRAINED, drained);
        if before.effective != effective {
            candidate.flags.set(Flags::CHANGED, true);
        }
        self.release_set(before.effective);
    }

    /// Import under any policy; changes nothing. `trace` hears what was asked.
    pub(super) fn import(
        &self,
        policy: &Policy,
        key: &D,
        candidate: &Candidate,
        mut attributes: Attributes,
        trace: Option<&mut PolicyTrace>,
    ) -> Imported {
        let source = &self.sources[candidate.source];
        let received_priority = attributes.priority;
        let subject = Subject { destination: key, source: &source.id, info: &source.info };
        let ruled = ask(policy, source, subject, &mut attributes, trace);
        let within = source.info.credential.as_ref().is_none_or(|credential| {
            key.allowed_by(credential)
                && credential
                    .priorities
                    .is_none_or(|(least, most)| (least..=most).contains(&received_priority))
        });
        let decided = match source.decided {
            true => self.decided_on(candidate, key),
            false => [None; 3],
        };
        let approval = approval_of(&decided);
        if let Some(word) = decided.iter().flatten().find_map(|d| d.preference.as_ref()) {
            attributes.preference = word.is;
        }
        let revoked = approval.is_some_and(|w| !w.is);
        let by_rule = approval.is_some_and(|w| matches!(w.by, By::Rule(_)));
        let approved = match approval {
            Some(word) if policy.strict && by_rule => word.is && ruled.approved_by.is_some(),
            Some(word) => word.is,
            None => ruled.approved_by.is_some(),
        };
        let new_approval = approval.is_none() && policy.approval == Approval::Required;
        Imported {
            attributes,
            denied: !ruled.accepted || !within || revoked,
            unapproved: policy.approval == Approval::Required && !approved && !revoked,
            drained: decided.iter().flatten().any(|d| d.drain.is_some()),
            approved_by: ruled.approved_by.filter(|_| new_approval),
        }
    }

    /// What a rule approved outlives the rule, so it is kept as a decision. A full store of
    /// decisions costs only that: the rule approves as long as it stands. Says whether it is kept.
    fn approve_by_rule(&mut self, now: Now, id: u32, candidate: &Candidate, rule: String) -> bool {
        let word = (By::Rule(rule), String::new());
        let bound = self.policy.bounds.decisions;
        let Self { decisions, sources, dests, .. } = self;
        let source = &mut sources[candidate.source];
        let on = On::Destination(&dests[id].key);
        let kept = decisions.take(now.wall, &source.id, on, Decision::Approve, word, bound);
        source.decided = decisions.has(&source.id);
        kept
    }

    /// A withdrawal clears the approval of its path, and of a source's last route to a destination
    /// that of the destination, unless the table keeps it.
    pub(super) fn clear_approval(&mut self, gone: &Candidate, id: u32) {
        if self.policy.on_withdraw == OnWithdraw::Keep || !self.sources[gone.source].decided {
            return;
        }
        let stands = |c: &Candidate| c.source == gone.source && !c.is_gone();
        let is_last = !self.places(id).any(|p| stands(self.candidate(p)));
        let path = self.key_of(gone).path;
        let Self { decisions, sources, dests, .. } = self;
        let source = &mut sources[gone.source];
        let key = &dests[id].key;
        decisions.clear_approval(&source.id, On::Path(key, &path));
        if is_last {
            decisions.clear_approval(&source.id, On::Destination(key));
        }
        source.decided = decisions.has(&source.id);
    }

    /// What is decided on a source's routes to a destination, also where there is no such route: of
    /// each kind the word that counts. `None`: what is decided on the whole source.
    pub fn decisions(&self, source: &SourceId, on: Option<&D>) -> Decided {
        let decided = match on {
            Some(destination) => self.decisions.on_destination(source, destination),
            None => [None, self.decisions.on_whole(source)],
        };
        let words = || decided.iter().flatten();
        Decided {
            approval: approval_of(&decided).cloned(),
            preference: words().find_map(|d| d.preference.clone()),
            drain: words().find_map(|d| d.drain.clone()),
        }
    }

    pub(super) fn decided_on(&self, of: &Candidate, key: &D) -> [Option<&Decided>; 3] {
        let route = self.key_of(of);
        self.decisions.on(&route.source, key, &route.path)
    }
}

/// The word on approval that counts: a person's before a rule's; then what is said of the path
/// before what is said of the destination, and that before what is said of the whole source.
pub(super) fn approval_of<'d>(decided: &[Option<&'d Decided>]) -> Option<&'d Word<bool>> {
    let words = || decided.iter().flatten().filter_map(|d| d.approval.as_ref());
    words().find(|w| w.is_persons()).or_else(|| words().next())
}

pub(super) struct Ruled {
    pub(super) accepted: bool,
    pub(super) approved_by: Option<String>,
}

/// Asks the source's own lists, then the table's.
fn ask<D: Destination>(
    policy: &Policy,
    source: &Source,
    subject: Subject<'_, D>,
    attributes: &mut Attributes,
    mut trace: Option<&mut PolicyTrace>,
) -> Ruled {
    let mut approved_by = None;
    for rules in lists(policy, source) {
        let outcome = rules.ask(subject, attributes, trace.as_deref_mut());
        if let Some(at) = outcome.approved_by {
            approved_by = Some(rules.name_of(at));
        }
        if let Some(accepted) = outcome.accepted {
            if let Some(trace) = trace {
                trace.accepted = accepted;
            }
            return Ruled { accepted, approved_by };
        }
    }
    if let Some(trace) = trace {
        trace.accepted = true;
        trace.decided_by = "default".into();
    }
    Ruled { accepted: true, approved_by }
}

fn lists<'p>(policy: &'p Policy, source: &Source) -> impl Iterator<Item = &'p Rules> + use<'p> {
    let own = match policy.import_of.is_empty() {
        true => [None, None],
        false => {
            let kind: SourceKind = source.id.kind();
            [policy.import_of.get(&source.text), policy.import_of.get(kind.as_str())]
        }
    };
    own.into_iter().flatten().chain(std::iter::once(&policy.import))
}
