//! How a host of overlays stands, as the API and foreign surfaces show it.
//!
//! The parts that run know it; the program gathers it when somebody asks ([`AsksOverlay`]), so that
//! nothing is copied while nobody looks. Foreign words for the same stand in
//! [`compat::nnetman`](crate::compat::nnetman).

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Gathers how the host stands now.
pub type AsksOverlay = Arc<dyn Fn() -> BoxFuture<'static, OverlayStatus> + Send + Sync>;

/// How a host of overlays stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OverlayStatus {
    /// What its peers call it.
    #[schema(example = "host-a")]
    pub node: String,
    /// It decides and says what it would do, and does nothing.
    pub observes: bool,
    /// It has begun to end.
    pub stopping: bool,
    /// For how long it has run.
    pub uptime_ms: u64,
    /// Its overlays, by number.
    pub overlays: Vec<OverlayState>,
    /// Its peers, by name.
    pub peers: Vec<PeerStanding>,
    /// The links; absent where they are only observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<LinksState>,
    /// What passes between overlays; absent where it is only observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transit: Option<TransitState>,
}

/// How an overlay stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OverlayState {
    /// Its VXLAN number.
    pub vni: u32,
    /// The book's table of its routes.
    #[schema(example = "overlay/100")]
    pub table: String,
    /// Its bridge.
    pub bridge: String,
    /// Its VXLAN link.
    pub vxlan: String,
    /// Networks that peers are told.
    pub announced: usize,
    /// Networks that peers told and that have a way.
    pub destinations: usize,
    /// All that peers told, refused ones too.
    pub routes: usize,
    /// What the kernel's table has of it; absent where it is only observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelState>,
    /// The MTU of its VXLAN; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Why its links aren't as they should be, until they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_problem: Option<String>,
    /// What is to be known of its links, such as an MTU that was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_remark: Option<String>,
}

/// How a table of the kernel stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KernelState {
    /// Its number.
    pub table: u32,
    /// It was told everything, and nothing waits.
    pub settled: bool,
    /// Routes of ours in it.
    pub routes: usize,
    /// Next-hop objects of ours.
    pub objects: usize,
    /// Networks that the kernel refuses; `explain` says why.
    pub refused: usize,
    /// Routes that were there at the start.
    pub adopted: usize,
    /// Routes and rules that someone else removed or changed, since the start.
    pub drift: u64,
    /// What the kernel was asked to change, since the start.
    pub requests: u64,
    /// How often it was compared, since the start.
    pub looks: u64,
    /// When it was compared last, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_ms: Option<u64>,
    /// How often it couldn't be asked, since the start.
    pub failures: u64,
    /// Rules that the kernel refuses, each with its words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_rules: Vec<String>,
    /// Why it can't be asked, until it can be again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// How the links of all overlays stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinksState {
    /// All are as they should be.
    pub settled: bool,
    /// VXLANs that are there.
    pub vxlans: usize,
    /// Overlays' bridges that are there.
    pub bridges: usize,
    /// Peers that get a copy of what is for everybody, counted in each overlay.
    pub flooded_to: usize,
    /// What someone else removed or changed, since the start.
    pub drift: u64,
    /// Bridges that are to be managed and can't be, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Why they can't be looked at, until they can be again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// How it is seen to that packets pass from one overlay to another, or don't.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransitState {
    /// They don't.
    pub denied: bool,
    /// It is as it should be.
    pub settled: bool,
    /// Packets that were dropped since the start; absent where nothing counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_packets: Option<u64>,
    /// Their bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_bytes: Option<u64>,
    /// How often someone else removed or changed what is ours, since the start.
    pub drift: u64,
    /// What is wrong, until it isn't.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// How a peer stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerStanding {
    /// Its name.
    pub name: String,
    /// Where it is, in the underlay.
    pub address: String,
    /// What is spoken with it, such as `nnetman.v1`; absent until something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Whether it is there.
    pub life: PeerLife,
    /// Since when, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// When it was last heard of, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard_ms: Option<u64>,
    /// Its routes that stand, in all overlays.
    pub routes: usize,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Whether a peer is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerLife {
    /// It wasn't, since the start.
    Unknown,
    /// It is.
    There,
    /// It was.
    Away,
}

impl OverlayStatus {
    /// Why the kernel isn't as it should be, a line each; empty: it is.
    pub fn failures(&self) -> impl Iterator<Item = &str> {
        let kernels = self.overlays.iter().filter_map(|overlay| overlay.kernel.as_ref());
        let failed = kernels.filter_map(|kernel| kernel.failed.as_ref());
        let of_links = self.overlays.iter().filter_map(|overlay| overlay.link_problem.as_ref());
        let links = self.links.iter().flat_map(|links| links.failed.iter().chain(&links.problems));
        let transit = self.transit.iter().flat_map(|transit| &transit.problems);
        failed.chain(of_links).chain(links).chain(transit).map(String::as_str)
    }
}
