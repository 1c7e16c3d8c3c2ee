//! What the config says of this surface.

use rutter_route::Prefix;

/// What the config says of this surface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshRouterOptions {
    /// Everyone may read home addresses, as in the original.
    pub public_resolve: bool,
    /// Networks whose hosts may read home addresses without a token.
    pub trusted_gateways: Vec<Prefix>,
}

impl Default for MeshRouterOptions {
    /// Gateways on this machine, and nobody else.
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"].into_iter().filter_map(|p| p.parse().ok());
        Self { public_resolve: false, trusted_gateways: loopback.collect() }
    }
}
