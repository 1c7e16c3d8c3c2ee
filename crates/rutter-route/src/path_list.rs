//! The way that a route has come.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ClusterId, TableName};

/// One step of the path list: a table of a cluster that the route came through.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PathStep {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its table.
    pub table: TableName,
}

/// The tables that a route came through, first step first. Attributes are copied wherever a policy
/// may change them, and the way is what none of them changes on import: copies share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PathList(Arc<[PathStep]>);

impl PathList {
    /// Adds a step behind the last.
    pub fn push(&mut self, step: PathStep) {
        self.0 = self.0.iter().cloned().chain([step]).collect();
    }
}

impl Deref for PathList {
    type Target = [PathStep];

    fn deref(&self) -> &[PathStep] {
        &self.0
    }
}

impl From<Vec<PathStep>> for PathList {
    fn from(steps: Vec<PathStep>) -> Self {
        Self(steps.into())
    }
}

impl FromIterator<PathStep> for PathList {
    fn from_iter<I: IntoIterator<Item = PathStep>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}
