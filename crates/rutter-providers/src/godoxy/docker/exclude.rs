//! Which containers are shown and not served: GoDoxy's reasons, in their order.

use crate::Exclusion;

use super::Container;

/// Images of databases and the like, which no browser speaks to.
const IMAGES: [&str; 14] = [
    "postgres",
    "mysql",
    "mariadb",
    "redis",
    "memcached",
    "mongo",
    "rabbitmq",
    "couchdb",
    "neo4j",
    "telegraf",
    "elasticsearch",
    "meilisearch",
    "kibana",
    "solr",
];

/// Authors of what runs behind others.
const AUTHORS: [&str; 6] = ["selenium", "browserless", "zenika", "zabbix", "moby", "docker"];

/// Whole names. The original lists them and compares them with something else, so they never match
/// there.
const WHOLE: [(&str, &str); 3] =
    [("containrrr", "watchtower"), ("library", "watchtower"), ("getwud", "wud")];

/// Where databases keep their data.
const MOUNTS: [&str; 6] = [
    "/var/lib/postgresql/data",
    "/var/lib/mysql",
    "/var/lib/mongodb",
    "/var/lib/mariadb",
    "/var/lib/memcached",
    "/var/lib/rabbitmq",
];

/// Where databases listen.
const PORTS: [u16; 5] = [5432, 3306, 6379, 11211, 27017];

/// Why a container's route isn't served, if it isn't. `has_port`: whether one was found.
pub(crate) fn exclusion(
    container: &Container,
    alias: &str,
    is_excluded: bool,
    has_port: bool,
) -> Option<Exclusion> {
    let is_blacklisted = || !container.is_labelled() && is_backend(container);
    let reasons: [(Exclusion, bool); 6] = [
        (Exclusion::Manual, is_excluded),
        (Exclusion::NoPort, !has_port),
        (Exclusion::Blacklisted, is_blacklisted()),
        (Exclusion::Buildx, container.name().starts_with("buildx_")),
        (Exclusion::YamlAnchor, alias.starts_with("x-")),
        (Exclusion::Renaming, alias.ends_with("-old")),
    ];
    reasons.iter().find(|(_, holds)| *holds).map(|(reason, _)| *reason)
}

fn is_backend(container: &Container) -> bool {
    let image = container.image();
    IMAGES.contains(&image.base)
        || AUTHORS.contains(&image.author)
        || WHOLE.contains(&(image.author, image.base))
        || container.mounts.iter().any(|mount| MOUNTS.contains(&mount.as_str()))
        || container.ports.iter().any(|port| PORTS.contains(&port.private))
}
