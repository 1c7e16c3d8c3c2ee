//! The policy: in force, replaced, and tried.

use std::sync::Arc;

use rutter_rib::Table;
use rutter_route::{Now, Prefix};

use super::config::PolicyText;
use super::routes::PolicyDiff;
use super::state::{State, lock};
use super::{Fleet, FleetError, Inner};
use crate::election::Settings;
use crate::policy::{EnforceError, PolicyFile};

/// A policy that was read, with its text.
pub(super) type Read = (PolicyFile, Option<Arc<str>>);

/// Reads a policy; `None`: the empty one, by which nothing is approved and everybody told all.
pub(super) fn read(policy: Option<&PolicyText>) -> Result<Read, FleetError> {
    match policy {
        Some(PolicyText { name, text }) => {
            let file = PolicyFile::parse(name, text).map_err(Box::new)?;
            Ok((file, Some(text.clone())))
        }
        None => Ok((PolicyFile::default(), None)),
    }
}

/// Takes a policy into force in the table and in the state: all of it, or what was before stands.
pub(super) fn enforce(
    state: &mut State,
    table: &mut Table<Prefix>,
    now: Now,
    (file, text): Read,
    settings: (&Settings, &Settings),
    seed: u64,
) -> Result<(), EnforceError> {
    let (new, before) = settings;
    if let Err(error) = file.enforce(now, table, new, &state.policy, seed) {
        // What stood was taken before, so it is again.
        state.policy.enforce(now, table, before, &file, seed)?;
        return Err(error);
    }
    (state.policy, state.policy_text) = (Arc::new(file), text);
    Ok(())
}

impl Fleet {
    /// The policy in force, as it was written; `None`: there is none.
    pub fn policy(&self) -> Option<Arc<str>> {
        lock(&self.0.state).policy_text.clone()
    }

    /// Takes a policy into force: rules, and who is told what. `None`: none any more. The policy is
    /// not kept in the registry: its file is where it lasts.
    ///
    /// # Errors
    /// [`FleetError::Policy`], [`FleetError::Enforce`]; the policy before stands.
    pub async fn set_policy(&self, name: &str, text: Option<&str>) -> Result<(), FleetError> {
        let policy = text.map(|text| PolicyText { name: name.into(), text: text.into() });
        let mut config = (*self.config()).clone();
        config.policy = policy;
        self.reconfigure(config).await
    }

    /// What a policy would change, without doing it.
    ///
    /// # Errors
    /// [`FleetError::Policy`].
    pub async fn try_policy(&self, name: &str, text: &str) -> Result<PolicyDiff, FleetError> {
        let policy = PolicyText { name: name.into(), text: text.into() };
        let (file, _) = read(Some(&policy))?;
        self.0.suppose(file).await
    }
}

impl Inner {
    /// Damping as the settings have it, where it was off while all nodes were away for a reason that
    /// was none of theirs.
    pub(super) async fn damp_again(&self) -> Result<(), FleetError> {
        let (settings, seed) = (self.config().election.clone(), self.seed);
        let damp = move |state: &mut State, table: &mut Table<Prefix>, now| {
            let policy = state.policy.clone();
            policy.enforce(now, table, &settings, &policy, seed)
        };
        Ok(self.apply(damp).await??)
    }
}
