//! `Rutter-Via`: which clusters a request came through, and over how many links it may still go.
//!
//! `Rutter-Via: 3; d, b` is a request that D's clients sent, that came through D and then B, and that
//! may go over three links more. It is what ends a loop that the tables of several clusters make
//! together while they learn of a change, so nobody but a neighbour may say it.
//!
//! Bounds: [`LINKS`] links, whatever a neighbour says; so the list is never longer than that.

use http::{HeaderMap, HeaderName, HeaderValue};
use rutter_route::ClusterId;

use crate::proxy::pages::{self, Page};

/// See the module's head.
pub(crate) const RUTTER_VIA: HeaderName = HeaderName::from_static("rutter-via");

/// Over how many links a request goes at most.
pub(crate) const LINKS: usize = 5;

/// The clusters that a request came through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Via {
    /// In order; this one isn't in it.
    pub(crate) visited: Vec<ClusterId>,
    /// Over how many links it may still go.
    pub(crate) budget: usize,
}

impl Default for Via {
    /// Of a request that comes from no cluster.
    fn default() -> Self {
        Self { visited: Vec::new(), budget: LINKS }
    }
}

impl Via {
    /// Takes it out of a request's headers. `neighbour` has sent it; `None`: somebody else, who has
    /// no say in it.
    ///
    /// # Errors
    /// The answer to a request that was in `own`, or whose list can't be read.
    pub(crate) fn take(
        headers: &mut HeaderMap,
        neighbour: Option<&ClusterId>,
        own: &ClusterId,
    ) -> Result<Self, Page> {
        let Some(neighbour) = neighbour else {
            headers.remove(RUTTER_VIA);
            return Ok(Self::default());
        };
        let mut lines = headers.get_all(RUTTER_VIA).iter();
        let (said, more) = (lines.next().cloned(), lines.next().is_some());
        headers.remove(RUTTER_VIA);
        let mut via = match said {
            None => Self::default(),
            Some(said) => parse(&said).filter(|_| !more).ok_or(pages::BAD_VIA)?,
        };
        // Whatever it says of others, it has had the request itself.
        if via.visited.last() != Some(neighbour) {
            via.visited.push(neighbour.clone());
        }
        if via.visited.contains(own) {
            return Err(pages::CLUSTER_LOOP);
        }
        via.budget = via.budget.min(LINKS.saturating_sub(via.visited.len()));
        Ok(via)
    }

    /// What the next neighbour is told.
    ///
    /// # Errors
    /// The answer to a request that may go no further.
    pub(crate) fn onward(&self, own: &ClusterId) -> Result<HeaderValue, Page> {
        let budget = self.budget.checked_sub(1).ok_or(pages::HOP_BUDGET)?;
        let mut line = format!("{budget}; ");
        for cluster in &self.visited {
            line.push_str(cluster.as_str());
            line.push_str(", ");
        }
        line.push_str(own.as_str());
        // The names of clusters are always part of a valid value.
        HeaderValue::from_str(&line).map_err(|_| pages::BAD_VIA)
    }
}

fn parse(said: &HeaderValue) -> Option<Via> {
    let (budget, visited) = said.to_str().ok()?.split_once(';')?;
    let budget = budget.trim().parse().ok()?;
    let visited: Option<Vec<ClusterId>> =
        visited.split(',').map(|name| name.trim().parse().ok()).collect();
    visited.filter(|visited| visited.len() <= LINKS).map(|visited| Via { visited, budget })
}

#[cfg(test)]
mod tests;
