//! The section of providers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::Period;
use crate::config::section::section;

section! {
    /// Where routes come from beside agents and people. Of several that want one name a file's goes
    /// before a container's, and an earlier provider's before a later one's; `rutter routes explain`
    /// says which and why.
    Providers {
        /// Files of routes in GoDoxy's form, the first strongest; read again when they change. A
        /// provider is called as its file, so no two may have one name.
        files: Vec<PathBuf> = Is("[]"),
        /// A file of variables for `${NAME}` in those files: a line `NAME=VALUE` each. What this
        /// process was started with goes before.
        env_file: PathBuf = Says("only what this process was started with"),
        /// Container engines by name.
        docker: BTreeMap<String, DockerEngine> = Says("none"),
        /// Proxmox clusters, by which routes to their nodes and guests are found.
        proxmox: Vec<ProxmoxCluster> = Is("[]"),
        /// How routes are probed that say nothing of their own.
        monitors: Monitors = Says("as below")
    }
}

section! {
    /// A container engine. Each container that has a port is a route under its name, unless its labels
    /// (`proxy.*`, as GoDoxy reads them) say otherwise.
    DockerEngine {
        /// Where: a URL of scheme `unix`, `tcp`, `http`, `https` or `tls`.
        url: String = Required,
        /// Only containers with a label `proxy.*` are taken.
        explicit_only: bool = Is("false"),
        /// The CA of the engine's certificate, a PEM file.
        ca_file: PathBuf = Says("the system's roots"),
        /// Our certificate, a PEM file.
        cert_file: PathBuf = Says("none is shown"),
        /// Its key.
        key_file: PathBuf = Says("needed with `cert_file`")
    }
}

section! {
    /// A Proxmox cluster, asked by a token or by a user.
    ProxmoxCluster {
        /// Its API: `https://HOST:8006`.
        url: String = Required,
        /// The token's id: `USER@REALM!NAME`.
        token_id: String = Says("`user` asks"),
        /// The token's secret. Or use `secret_file`.
        secret: String = Says("`secret_file`"),
        /// A file with it, one line.
        secret_file: PathBuf = Says("`secret`"),
        /// A user.
        user: String = Says("`token_id` asks"),
        /// The user's realm.
        realm: String = Is("pam"),
        /// The user's password. Or use `password_file`.
        password: String = Says("`password_file`"),
        /// A file with it, one line.
        password_file: PathBuf = Says("`password`"),
        /// Its certificate isn't looked at.
        no_tls_verify: bool = Is("false")
    }
}

section! {
    /// How routes are probed that say nothing of their own (`healthcheck` in their file or labels).
    Monitors {
        /// From one probe to the next; `1s` at least.
        interval: Period = Is("5s"),
        /// How long a probe may take; `1s` at least.
        timeout: Period = Is("5s"),
        /// The path that is asked.
        path: String = Is("/"),
        /// `GET` is asked, and not `HEAD`.
        use_get: bool = Is("false"),
        /// Failures in a row that turn a route unhealthy. `0`: as many as fit into 15 seconds, one at
        /// least.
        retries: u32 = Is("0"),
        /// Nothing is probed unless its route says so.
        disable: bool = Is("false"),
        /// One failure turns a route whatever `retries` says, as in GoDoxy.
        turns_at_once: bool = Is("false"),
        /// Probes under way at once; others wait.
        at_once: usize = Is("256")
    }
}
