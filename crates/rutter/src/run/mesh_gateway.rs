//! The role `gateway` alone, by an original Mesh Router backend: no controller, no registry, no
//! data directory. What it knows it asked for, and after a restart it asks again.

use rutter_book::{Clock, SystemClock};
use rutter_gateway::compat::mesh_router::MeshRouterConfig;
use rutter_gateway::{ControllerAt, Gateway, GatewayConfig, Sources, TableRef};
use rutter_rib::{Book, Policy, TableSpec};
use rutter_route::{ClusterId, DestinationKind, TableName};
use tokio_util::sync::CancellationToken;

use super::Signals;
use super::controller::{ends, seed};
use crate::config::tables;

/// Runs until a signal ends it: the first well, a second at once.
///
/// # Errors
/// It can't start; nothing stays behind then.
pub(crate) async fn mesh_gateway(
    config: GatewayConfig,
    mesh_router: MeshRouterConfig,
    mut signals: Signals,
) -> anyhow::Result<()> {
    let (cluster, table): (ClusterId, TableName) = ("local".parse()?, tables::SERVICES.parse()?);
    let (kind, policy) = (DestinationKind::Service, Policy::default());
    let spec = TableSpec { name: table.clone(), kind, policy };
    let (seed, now) = (seed(), SystemClock.now());
    let book = Book::new(cluster, vec![spec], Vec::new(), Vec::new(), now, seed)?;
    let stop_book = CancellationToken::new();
    let (book, owner) = rutter_book::spawn(book, SystemClock, seed, stop_book.clone());
    let book_ended = ends(owner);
    let backend = mesh_router.backend.clone();
    let sources = Sources {
        controller: ControllerAt::MeshRouter(mesh_router),
        own: TableRef { book, table },
    };
    let gateway = Gateway::start(config, sources).await?;
    for address in gateway.addresses() {
        tracing::info!(%address, %backend, "the gateway listens");
    }
    signals.end().await;
    tracing::info!("ending: requests in flight may end");
    tokio::select! {
        () = gateway.shutdown() => {}
        () = signals.insists() => tracing::warn!("ended at once"),
    }
    stop_book.cancel();
    book_ended.cancelled().await;
    Ok(())
}
