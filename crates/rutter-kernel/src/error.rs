//! The crate's error: why the kernel couldn't be spoken with at all.
//!
//! What the kernel says to one request is no error of this type but a [`Said`]: it belongs to one
//! destination, and all others go on.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

/// Why the kernel can't be spoken with. Nothing is known of what it did meanwhile, so whoever gets
/// one of these looks again before it goes on.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// What is asked for makes no sense. Nothing was changed.
    #[error("{mistake}")]
    Spec {
        /// What is wrong.
        mistake: &'static str,
    },
    /// A socket can't be opened or set up.
    #[error("can't open a netlink socket ({what}): {source}")]
    Open {
        /// Which step.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A request can't be sent or its answer not be read.
    #[error("netlink: can't {what}: {source}")]
    Talk {
        /// Which direction.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The kernel had more to say than the socket's buffer holds.
    #[error("netlink: answers were lost, the receive buffer is too small")]
    Overrun,
    /// A dump was refused.
    #[error("the kernel doesn't list its {what}: {said}")]
    Dump {
        /// Of what.
        what: &'static str,
        /// Its words.
        said: Said,
    },
    /// A dump was interrupted by changes more often than it is tried.
    #[error("the kernel's {what} changed faster than they could be read")]
    Unsteady {
        /// Of what.
        what: &'static str,
    },
    /// The file of displaced routes can't be used.
    #[error("{}: {source}", path.display())]
    Shelf {
        /// Which.
        path: PathBuf,
        /// What the system said, or what is wrong with it.
        source: io::Error,
    },
    /// A setting under `/proc/sys` can't be read or written.
    #[error("{}: {source}", path.display())]
    Setting {
        /// Which file.
        path: PathBuf,
        /// What the system said, or what is wrong with its content.
        source: io::Error,
    },
    /// The book whose table is told has no owner any more.
    #[error("the book is closed")]
    BookClosed,
    /// The thread that spoke with the kernel panicked.
    #[error("the thread that speaks with the kernel ended")]
    Thread,
}

/// What the kernel said to one request that it refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The number of the error.
    pub errno: Errno,
    /// Its own words (`NETLINK_EXT_ACK`), empty if it had none.
    pub words: String,
}

impl Said {
    /// Whether the same request may succeed soon with nothing else changed: the kernel was short
    /// of memory or busy, so it has said nothing about the destination.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.errno,
            Errno::NOBUFS | Errno::NOMEM | Errno::AGAIN | Errno::INTR | Errno::BUSY
        )
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.words.is_empty() {
            return self.errno.fmt(f);
        }
        write!(f, "{} ({})", self.words, self.errno)
    }
}
