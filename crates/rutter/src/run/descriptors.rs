//! How many files and sockets the process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Asks for as many as the system lets a process have. The usual first bound, 1,024, is from a time
/// when programs kept them in a bitmap of that size; each node, agent and client of ours needs one.
pub(super) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the bound of open files stays at {:?}", limit.current);
    }
}
