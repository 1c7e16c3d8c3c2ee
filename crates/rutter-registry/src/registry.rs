//! The registry as one thing.

use async_trait::async_trait;

use crate::{
    Audit, Identities, Incarnations, Leases, Members, NodeUsers, Nodes, PreauthKeys, Result, Tokens,
};

/// All that must last, behind one handle: `Arc<dyn Registry>`.
///
/// A trait a subject lets a store for one of them (leases in Redis) be put beside another (the
/// rest in PostgreSQL) later. What all promise:
///
/// - a write is lasting when it returns `Ok`, and visible to every read that begins then;
/// - an `Err` changed nothing;
/// - the time is always the caller's;
/// - a caller that stops waiting may find its write done or not.
#[async_trait]
pub trait Registry:
    Identities + Leases + Incarnations + Tokens + Members + NodeUsers + PreauthKeys + Nodes + Audit
{
    /// Finishes the writes that wait, then refuses more. Returns when all is on disk.
    async fn close(&self) -> Result<()>;

    /// As [`Registry::close`], so that another process may open what is stored; until
    /// [`Registry::take_back`], which may never come, everything is refused.
    async fn lend(&self) -> Result<()>;

    /// Opens again what was lent. Whoever had it must not use it any more.
    async fn take_back(&self) -> Result<()>;
}
