//! What can go wrong, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rutter_link::{LinkError, RefusalCode};
use rutter_route::ParseError;

/// An agent's error. Its text names what to do, and holds no secret.
///
/// The first group is the operator's (the configuration), the second this machine's, the third
/// the network's or the controller's. None leaves anything half changed here; after one of the
/// third a registration may or may not stand, and the next attempt replaces it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// A service's text is wrong.
    #[error(transparent)]
    Spec(#[from] ParseError),
    /// PROVIDER is malformed; the text is the original agent's.
    #[error("Invalid PROVIDER format. Expected: <backend_url>,<userid>,<signature>")]
    Provider,
    /// PROVIDER is missing.
    #[error("PROVIDER is not set: set it to <backend_url>,<userid>,<signature>")]
    NoProvider,
    /// Another variable is wrong.
    #[error("{name}=`{value}` is not valid: expected {expected}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// What it was set to, cut to 80 characters.
        value: String,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// The text of `--join` is wrong. It is not repeated, since it holds a token.
    #[error("the join URL is not valid: {why}; expected http(s)://HOST:PORT#rtj_TOKEN[.PIN]")]
    JoinUrl {
        /// What is wrong.
        why: &'static str,
    },
    /// The set of services can't be registered.
    #[error("{0}")]
    Services(String),
    /// The node can't be run as it is configured.
    #[error("{0}")]
    Node(String),
    /// The kernel can't be spoken with.
    #[error("the kernel's routes: {0}")]
    Kernel(#[from] rutter_kernel::KernelError),

    /// The state file can't be read or written.
    #[error("can't {doing} {}: {source}; name a state directory this user may write", path.display())]
    State {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the identity.
    #[error(
        "{} is in use by another agent: one agent says all services of its name, so give that \
         one another --service, or this one another --name",
        path.display()
    )]
    InUse {
        /// The file that it holds.
        path: PathBuf,
    },
    /// The state file isn't what this program writes.
    #[error(
        "{} is damaged ({why}): remove it and join with a new token",
        path.display()
    )]
    StateDamaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong, without its contents.
        why: String,
    },
    /// TLS can't be set up.
    #[error("TLS can't be set up: {0}")]
    Tls(String),
    /// The system gave no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),

    /// No answer came.
    #[error("can't reach {controller}: {why}")]
    Unreachable {
        /// Whom.
        controller: String,
        /// Why, and what to do.
        why: Unreachable,
    },
    /// An answer came, and it was no.
    #[error("{controller} answered {what} with {status}{}: {advice}", quoted(said))]
    Refused {
        /// Who.
        controller: String,
        /// What was asked.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// The server's own words, scrubbed and cut; may be empty.
        said: String,
        /// What to do.
        advice: &'static str,
        /// Whether asking again may help.
        again: bool,
        /// How long the server asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The controller's link says no, or no session came about.
    #[error("{said}; {advice}")]
    Link {
        /// What was said, scrubbed, or seen. It stands in the text, so it is no cause beside it.
        said: LinkError,
        /// What to do.
        advice: &'static str,
    },
    /// An answer came that can't be read.
    #[error(
        "{controller} answered {what} with something unexpected ({why}): is this the right address and port?"
    )]
    Garbled {
        /// Who.
        controller: String,
        /// What was asked.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A Mesh Router backend is too old.
    #[error(
        "{controller} speaks version {found} of the protocol, 2 is needed: upgrade the backend"
    )]
    VersionTooOld {
        /// Who.
        controller: String,
        /// What it said, cut.
        found: String,
    },
    /// A backend took the call and refused the routes.
    #[error("{controller} registered nothing: {why}")]
    Rejected {
        /// Who.
        controller: String,
        /// Its reason, scrubbed and cut.
        why: String,
    },
    /// This host's public address wasn't found.
    #[error("this host's public address is not known ({0}): give it with --address or PUBLIC_IP")]
    NoAddress(String),
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// Nothing listens there.
    #[error("the connection was refused; is the controller running, and is the port right?")]
    Refused,
    /// The name is unknown.
    #[error("its name can't be looked up ({0}); check the name and this host's DNS")]
    Lookup(String),
    /// Nothing came back in time.
    #[error("no answer in time; check the address and any firewall between")]
    Timeout,
    /// The certificate chain doesn't hold the CA that the join token names.
    #[error(
        "its certificate is not from the CA that the join token names: the token belongs to \
         another controller, or somebody stands between; get a new join line from the controller"
    )]
    WrongCa,
    /// TLS failed.
    #[error("TLS failed ({0}); check that the port speaks TLS, or join with a token with a pin")]
    Tls(String),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl AgentError {
    /// Whether the same request may succeed later with nobody doing anything here.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { why, .. } => {
                !matches!(why, Unreachable::WrongCa | Unreachable::Tls(_))
            }
            Self::Refused { again, .. } => *again,
            Self::Link { said, .. } => match said.refusal() {
                Some(code) => code.is_transient(),
                None => !matches!(said, LinkError::Key(_) | LinkError::Tls(_)),
            },
            Self::Garbled { .. }
            | Self::InUse { .. }
            | Self::VersionTooOld { .. }
            | Self::Rejected { .. }
            | Self::Random(_)
            | Self::NoAddress(_) => true,
            _ => false,
        }
    }

    /// The link's word, if it was its word.
    pub(crate) fn refusal(&self) -> Option<RefusalCode> {
        match self {
            Self::Link { said, .. } => said.refusal(),
            _ => None,
        }
    }

    /// How long the server asked us to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(" (`{said}`)") }
}
