//! What must last: who there is and what they are called, what they said and until when, what
//! people decided, who may ask, and the key that signs certificates.
//!
//! The traits name subjects, not a store ([`Identities`], [`Leases`], [`Incarnations`],
//! [`Tokens`], [`Members`], [`NodeUsers`], [`PreauthKeys`], [`Nodes`], [`Audit`]; together
//! [`Registry`]). The store that is here is SQLite inside the process, in a [`DataDir`] that one process
//! holds at a time.
//!
//! Invariants:
//! - an acknowledged write survives the death of the process, and of the machine, at any moment;
//! - an error means that nothing was changed ([`Error`]);
//! - no secret of a token is stored, and no private key is readable by others;
//! - a copy that is taken while others write is one moment's ([`backup`]);
//! - nothing here asks for the time: it is an argument;
//! - all that grows has a bound, and each listing comes in pages.
#![forbid(unsafe_code)]

mod audit;
pub mod backup;
mod ca;
mod data_dir;
mod error;
mod identity;
mod key;
mod lease;
mod member;
mod node;
mod node_user;
mod note;
mod page;
mod registry;
mod route_row;
mod secret;
mod sqlite;
mod text_type;
mod token;

pub use audit::{AUDIT_EVENTS_KEPT, Audit, AuditEvent, AuditNumber};
pub use ca::{
    CA_LIFETIME, CLOCK_SKEW, CertificateAuthority, LISTENER_LIFETIME, Leaf, ListenerName,
    MAX_NAMES, OWNER_LIFETIME, Pin, ServerCertificate,
};
pub use data_dir::{DataDir, read_private};
pub use error::{Error, Fault, Result};
pub use identity::{Claim, Claimed, DomainName, Identities, Identity, MAX_IDENTITIES, UserId};
pub use key::{PublicKey, Seed};
pub use lease::{
    Incarnations, LeaseKey, Leases, MAX_SOURCES_OF_USER, NewLease, Routes, SourceName, StoredLease,
};
pub use member::{Enrolled, MAX_MEMBERS, Member, MemberName, Members, NewMember, Role};
pub use node::{
    MAX_NODES, Node, NodeName, NodeNumbers, NodeRecord, NodeWrite, Nodes, Owner, UserName,
};
pub use node_user::{
    MAX_NODE_USERS, NewPreauthToken, NodeUser, NodeUsers, PreauthKey, PreauthKeys,
};
pub use note::Note;
pub use page::{MAX_PAGE, Page};
pub use registry::Registry;
pub use route_row::{RouteRow, RowId, WasEnabled};
pub use secret::{TokenHash, TokenKind, TokenSecret};
pub use sqlite::SqliteRegistry;
pub use sqlite::schema::schema_known;
pub use token::{Grant, MAX_TOKENS, NewToken, Scope, Scopes, Token, TokenId, TokenRefusal, Tokens};
