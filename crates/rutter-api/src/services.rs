//! The services of this process's providers, for the surfaces that show them.

use rutter_providers::monitor::Monitors;
use rutter_providers::registry::Registry;

/// What providers say, and how it is. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    /// The routes.
    pub registry: Registry,
    /// Who watches them, for how they were.
    pub monitors: Monitors,
}
