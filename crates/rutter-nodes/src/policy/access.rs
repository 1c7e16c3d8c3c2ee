//! Who may reach whom: `acls` and `grants` as one list.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use rutter_rib::{Match, TagMatch, ViewSpec};
use rutter_route::{Tag, ViewName};

use super::{Ports, Selector};

/// Who may reach whom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Access {
    /// The file says nothing: everyone may reach everything.
    #[default]
    Open,
    /// What no grant names is out of reach.
    Granted(Vec<Grant>),
}

/// One rule of `acls` or `grants`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Where it stands, such as `grants[3]`.
    pub name: String,
    /// Who.
    pub src: Vec<Selector>,
    /// May reach what.
    pub dst: Vec<Target>,
    /// By which routers: those that hold one of these tags. Empty: by the primary.
    pub via: BTreeSet<Tag>,
}

/// What may be reached, at which ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What.
    pub selector: Selector,
    /// At which ports; not enforced.
    pub ports: Vec<Ports>,
}

impl Access {
    /// The grants, none where everything is open.
    pub fn grants(&self) -> &[Grant] {
        match self {
            Self::Open => &[],
            Self::Granted(grants) => grants,
        }
    }

    /// The views that `via` asks for, each once: in them the routers with one of the tags are ranked
    /// by themselves, so such a grant fails over among them and never ends at a dead one.
    pub fn views(&self) -> Vec<ViewSpec> {
        let sets: BTreeSet<&BTreeSet<Tag>> = self.via_sets().collect();
        sets.into_iter().map(view).collect()
    }

    pub(super) fn via_sets(&self) -> impl Iterator<Item = &BTreeSet<Tag>> {
        self.grants().iter().map(|g| &g.via).filter(|via| !via.is_empty())
    }
}

fn view(via: &BTreeSet<Tag>) -> ViewSpec {
    let source_tags = TagMatch { any: via.iter().cloned().collect(), ..TagMatch::default() };
    ViewSpec {
        name: via_view(via),
        show: vec![Match { source_tags, ..Match::default() }],
        criteria: None,
    }
}

/// The name of the view of these tags: the same whatever else the policy says, so a reload keeps its
/// incumbents. Where the tags are too long for a name a digest of them stands.
pub fn via_view(via: &BTreeSet<Tag>) -> ViewName {
    let tags: Vec<&str> = via.iter().map(Tag::as_str).collect();
    let plain = format!("via:{}", tags.join("/"));
    plain.parse().unwrap_or_else(|_| {
        // SipHash with a fixed key: the same on every machine.
        let mut hasher = DefaultHasher::new();
        via.hash(&mut hasher);
        #[allow(clippy::expect_used, reason = "letters, colons and hex digits, 24 bytes")]
        format!("via:tags:{:016x}", hasher.finish()).parse().expect("a view's name")
    })
}
