//! What may go wrong, and when: faults as data, so a list of them can be drawn by chance, written in a
//! scenario, recorded, shrunk and played again.
//!
//! Below the session a frame isn't lost, doubled or turned round: TCP repairs that or breaks. So
//! [`Fault::Lossy`] delays, and [`Fault::Reset`] loses what was under way with the connection. Who
//! drops, doubles, turns round or changes frames of a *live* connection is an attacker
//! ([`Fault::Meddle`]), and the protocol has to notice.

mod draw;

use rutter_protocol::policy::FabricPolicy;
use rutter_route::{AnyDestination, ClusterId};
use serde::{Deserialize, Serialize};

pub use draw::{Chances, Targets, draw};

use crate::span::Span;

/// A link, by its ends.
pub type Between = (ClusterId, ClusterId);

/// One thing that goes wrong, or is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Nothing gets over a link. Past the ends' patience its connections break, at each end at its
    /// own time; shorter, all comes late.
    Cut {
        /// Which.
        link: Between,
        /// For how long.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// The connections of a link end, and what was under way is lost.
    Reset {
        /// Which.
        link: Between,
        /// Only the first of them.
        #[serde(default)]
        one: bool,
    },
    /// A link loses this share of its packets: each lost one costs a retransmission, in order.
    Lossy {
        /// Which.
        link: Between,
        /// In percent.
        percent: u8,
        /// For how long.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// A link takes longer, and its ends measure that.
    Slow {
        /// Which.
        link: Between,
        /// How long one way.
        delay: Span,
        /// For how long.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// All links between these clusters and the others are cut.
    Partition {
        /// One side.
        side: Vec<ClusterId>,
        /// For how long.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// A cluster's speaker dies at once and comes back.
    Kill {
        /// Which.
        cluster: ClusterId,
        /// After how long.
        away: Span,
        /// Without what it had kept: its incarnation and the keys it had learned.
        #[serde(default)]
        lose_state: bool,
    },
    /// A cluster's speaker restarts as announced.
    Restart {
        /// Which.
        cluster: ClusterId,
        /// After how long it is back.
        away: Span,
        /// After how long it said it would be.
        named: Span,
    },
    /// A cluster says goodbye, and comes back much later.
    Leave {
        /// Which.
        cluster: ClusterId,
        /// After how long.
        away: Span,
    },
    /// A wall's clock jumps, and jumps back.
    WallJump {
        /// Whose.
        cluster: ClusterId,
        /// By how many milliseconds.
        by_ms: i64,
        /// For how long.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// Somebody on the way meddles with the frames of a link.
    Meddle {
        /// Which.
        link: Between,
        /// What he does.
        how: Meddling,
        /// For how long; then the transport notices, and the connections break.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// A cluster's signer doesn't answer but by an error.
    SignerFails {
        /// Whose.
        cluster: ClusterId,
        /// For how long.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// A cluster rotates its key.
    Rotate {
        /// Which.
        cluster: ClusterId,
    },
    /// A cluster originates a service or a prefix.
    Originate {
        /// Which.
        cluster: ClusterId,
        /// What.
        destination: AnyDestination,
    },
    /// A cluster withdraws what it originates; of itself, if it names itself.
    Withdraw {
        /// Which.
        cluster: ClusterId,
        /// What.
        destination: AnyDestination,
    },
    /// A cluster's policy is another from now on.
    Policy {
        /// Whose.
        cluster: ClusterId,
        /// Which.
        policy: Box<FabricPolicy>,
    },
    /// A cluster lies from now on; an empty list: it is honest again.
    Lie {
        /// Which.
        cluster: ClusterId,
        /// How.
        how: Vec<Lie>,
    },
}

/// What somebody on the way does with frames, each by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meddling {
    /// Takes frames out.
    Drop,
    /// Puts frames in twice.
    Duplicate,
    /// Turns two frames round.
    Reorder,
    /// Turns a bit.
    Flip,
    /// Puts in frames that were heard before, on this connection or on another.
    Replay,
    /// Puts in frames of his own, unsigned or with signatures made up.
    Inject,
}

impl Meddling {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Drop, Self::Duplicate, Self::Reorder, Self::Flip, Self::Replay, Self::Inject];
}

/// What a neighbour with a good key of its own may lie about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lie {
    /// Says that others' destinations are one hop behind it, at no cost.
    ShortPath,
    /// Says paths that lead through whom it tells.
    Loop,
    /// Changes what originators claim, or makes their claims up.
    ForgedClaim,
    /// Says others' claims of long ago, withdrawals too.
    OldClaim,
    /// Claims for itself what is others'.
    OthersDestination,
    /// Leaves out originators' tags.
    StripTags,
    /// Says that others hold newer claims than they do.
    ForgedHeld,
    /// Makes up keys of others.
    ForgedKeys,
    /// Leaves the claims out.
    NoClaim,
}

impl Lie {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::ShortPath,
        Self::Loop,
        Self::ForgedClaim,
        Self::OldClaim,
        Self::OthersDestination,
        Self::StripTags,
        Self::ForgedHeld,
        Self::ForgedKeys,
        Self::NoClaim,
    ];
}

/// A fault with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// From the start.
    pub at: Span,
    /// What.
    #[serde(rename = "do")]
    pub fault: Fault,
}

impl Fault {
    /// How long until all of it is over, by itself.
    pub fn lasts(&self) -> Span {
        match self {
            Self::Cut { lasts, .. }
            | Self::Lossy { lasts, .. }
            | Self::Slow { lasts, .. }
            | Self::Partition { lasts, .. }
            | Self::WallJump { lasts, .. }
            | Self::Meddle { lasts, .. }
            | Self::SignerFails { lasts, .. } => *lasts,
            Self::Kill { away, .. } | Self::Restart { away, .. } | Self::Leave { away, .. } => {
                *away
            }
            _ => Span::default(),
        }
    }
}

impl Fault {
    /// The clusters and the link that it names.
    pub fn names(&self) -> (Vec<&ClusterId>, Option<&Between>) {
        match self {
            Self::Cut { link, .. }
            | Self::Reset { link, .. }
            | Self::Lossy { link, .. }
            | Self::Slow { link, .. }
            | Self::Meddle { link, .. } => (Vec::new(), Some(link)),
            Self::Partition { side, .. } => (side.iter().collect(), None),
            Self::Kill { cluster, .. }
            | Self::Restart { cluster, .. }
            | Self::Leave { cluster, .. }
            | Self::WallJump { cluster, .. }
            | Self::SignerFails { cluster, .. }
            | Self::Rotate { cluster }
            | Self::Originate { cluster, .. }
            | Self::Withdraw { cluster, .. }
            | Self::Policy { cluster, .. }
            | Self::Lie { cluster, .. } => (vec![cluster], None),
        }
    }
}
