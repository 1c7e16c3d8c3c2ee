//! What a listing doesn't say of a container, and inspecting it does.

use bollard::models::ContainerSummary;
use futures_util::StreamExt;

use super::engine::Engine;
use super::known::Listed;
use super::{DockerError, map};

/// How many containers are inspected at once.
const AT_ONCE: usize = 8;

/// Puts to each listed container what only inspecting it says. One that went meanwhile is left
/// out.
pub(super) async fn describe(
    engine: &Engine,
    listed: Vec<ContainerSummary>,
) -> Result<Vec<Listed>, DockerError> {
    let described: Vec<_> = listed.into_iter().map(|one| describe_one(engine, one)).collect();
    let mut described = futures_util::stream::iter(described).buffered(AT_ONCE);
    let mut all = Vec::new();
    while let Some(described) = described.next().await {
        all.extend(described?);
    }
    Ok(all)
}

/// A container with its ports if it has its host's network, and why it isn't well.
async fn describe_one(
    engine: &Engine,
    one: ContainerSummary,
) -> Result<Option<Listed>, DockerError> {
    let mut health = map::health(&one);
    let is_on_host = map::is_on_host_network(&one);
    let mut exposed = None;
    if is_on_host || map::is_found_unwell(&one) {
        let id = one.id.clone().unwrap_or_default();
        // It went between the two questions.
        let Some(inspected) = engine.inspect(&id).await? else { return Ok(None) };
        exposed = is_on_host.then(|| map::exposed(&inspected));
        if let (Some(seen), Some(detail)) = (&mut health, map::detail(&inspected)) {
            seen.detail = detail;
        }
    }
    Ok(map::container(one, exposed).map(|container| Listed { container, health }))
}
