//! Folders served over real sockets, and the pure parts by tables.

mod pure;
mod served;
mod ways_out;

use std::path::Path;

use rutter_route::FileOptions;

use crate::feed::RouteSpec;
use crate::routes::Hop;
use crate::testing::{TestGateway, spec};

/// A route to a folder.
fn files(folder: &Path, options: FileOptions) -> RouteSpec {
    let mut route = spec("provider/file:files.yml", "http://127.0.0.1:1");
    let delivery = rutter_route::Delivery { files: options, ..Default::default() };
    route.hop = Hop::Files(folder.to_str().unwrap().parse().unwrap());
    route.delivery = delivery.into();
    route
}

/// A gateway that serves a folder at `alice.nsl.sh`.
async fn serving(folder: &Path, options: FileOptions) -> TestGateway {
    TestGateway::alice(vec![files(folder, options)]).await
}
