//! What a reload changes, and what it can't.
//!
//! Both configurations are written out in full under the file's keys and compared leaf by leaf, so
//! a key that is forgotten here is a difference all the same; whether it can change while the
//! program runs is told by [`LIVE`], and what isn't in that list needs a restart. A list compares
//! as one value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Config;

/// What changes while the program runs: these paths and what lies under them; `*` is any one step.
const LIVE: &[&[&str]] = &[
    &["fabric", "fallback"],
    &["fabric", "keys"],
    &["fabric", "liveness"],
    &["fabric", "neighbours"],
    &["fabric", "policy"],
    &["fabric", "restart"],
    &["fabric", "security"],
    &["gateway", "acl"],
    &["gateway", "health"],
    &["gateway", "outlier_detection"],
    &["gateway", "retry_budget"],
    &["gateway", "limits", "drain_delay"],
    &["gateway", "limits", "max_target_bytes"],
    &["gateway", "limits", "max_body_bytes"],
    &["gateway", "limits", "max_connections_per_client"],
    &["gateway", "upstream", "max_tries"],
    &["gateway", "upstream", "response_timeout"],
    &["gateway", "upstream", "try_timeout"],
    &["gateway", "upstream", "slow_start"],
    &["gateway", "upstream", "timeout"],
    &["gateway", "tls"],
    &["gateway", "certificates"],
    &["gateway", "hsts"],
    &["gateway", "trusted_proxies"],
    &["gateway", "read_token_file"],
    &["listeners", "gateway", "https", "tls"],
    &["log", "level"],
    &["nodes", "damping"],
    &["nodes", "ephemeral_timeout"],
    &["nodes", "ha"],
    &["nodes", "key_lifetime"],
    &["nodes", "on_withdraw"],
    &["nodes", "policy"],
    &["nodes", "preempt"],
    &["nodes", "restart_grace"],
    &["nodes", "sticky"],
    &["nodes", "strict"],
    &["overlay", "host", "max_prefixes"],
    &["overlay", "host", "overlays", "*", "export"],
    &["overlay", "host", "overlays", "*", "import"],
    &["overlay", "host", "overlays", "*", "install", "flush_on_peer_down"],
    &["overlay", "host", "overlays", "*", "install", "lease"],
    &["overlay", "host", "overlays", "*", "install", "lookup"],
    &["overlay", "host", "overlays", "*", "install", "replace_existing"],
    &["overlay", "host", "peers"],
    &["overlay", "host", "topology"],
    &["providers", "docker"],
    &["providers", "env_file"],
    &["providers", "files"],
    &["providers", "monitors", "disable"],
    &["providers", "monitors", "interval"],
    &["providers", "monitors", "path"],
    &["providers", "monitors", "retries"],
    &["providers", "monitors", "timeout"],
    &["providers", "monitors", "use_get"],
    &["providers", "proxmox"],
    &["tables", "*", "policy"],
];

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Which, such as `controller.lease`.
    pub(crate) path: String,
    /// What holds now; `None`: nothing.
    pub(crate) from: Option<String>,
    /// What the file says.
    pub(crate) to: Option<String>,
    /// It can't be changed while the program runs.
    pub(crate) needs_restart: bool,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, "{}: {} -> {}", self.path, word(&self.from), word(&self.to))?;
        if self.needs_restart { f.write_str("  (needs a restart)") } else { Ok(()) }
    }
}

/// The differences, in the order of their paths.
pub(crate) fn diff(from: &Config, to: &Config) -> Vec<Change> {
    let (from, to) = (leaves(from), leaves(to));
    let paths: std::collections::BTreeSet<_> = from.keys().chain(to.keys()).collect();
    let differing = paths.into_iter().filter(|path| from.get(*path) != to.get(*path));
    differing
        .map(|path| Change {
            path: path.join("."),
            from: from.get(path).cloned(),
            to: to.get(path).cloned(),
            needs_restart: !is_live(path),
        })
        .collect()
}

fn is_live(path: &[String]) -> bool {
    let matches = |pattern: &&[&str]| {
        pattern.len() <= path.len()
            && pattern.iter().zip(path).all(|(step, is)| *step == "*" || step == is)
    };
    // A whole table that comes or goes isn't its policy.
    LIVE.iter().any(matches)
}

fn leaves(config: &Config) -> BTreeMap<Vec<String>, String> {
    let mut leaves = BTreeMap::new();
    // All its keys are texts, so it can be written as JSON.
    let value = serde_json::to_value(config).unwrap_or_default();
    gather(&mut Vec::new(), &value, &mut leaves);
    leaves
}

fn gather(path: &mut Vec<String>, value: &Value, leaves: &mut BTreeMap<Vec<String>, String>) {
    match value {
        Value::Object(keys) => {
            for (key, value) in keys {
                path.push(key.clone());
                gather(path, value, leaves);
                path.pop();
            }
        }
        Value::Null => {}
        Value::String(text) => {
            leaves.insert(path.clone(), text.clone());
        }
        other => {
            leaves.insert(path.clone(), other.to_string());
        }
    }
}
