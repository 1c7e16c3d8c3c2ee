//! Clusters of a fabric.

use crate::parse::name_type;

name_type! {
    /// The name of a cluster, such as `eu-west-1`.
    ClusterId, "cluster name", 253, "-_.:"
}
