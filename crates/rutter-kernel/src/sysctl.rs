//! The kernel's settings that decide whether routes are used as they are put (`sysctl`, Linux'
//! Documentation/networking/ip-sysctl.rst).
//!
//! They are read and written as the files that they are. The kernel shows each thread those of the
//! network namespace that it is in, so these functions block and are called in the right one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::KernelError;
use crate::hop::LinkName;
use crate::rules::Family;

/// Where the kernel shows its settings.
const ROOT: &str = "/proc/sys";

/// Of which links a setting is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Of all: what it means beside a link's own is said at the setting.
    All,
    /// Of those that are yet to come.
    Default,
    /// Of one.
    Link(LinkName),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Default => f.write_str("default"),
            Self::Link(name) => name.fmt(f),
        }
    }
}

/// What becomes of a packet by where it says that it is from (RFC 3704).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReversePath {
    /// Nothing.
    Off,
    /// It is dropped unless the way back is over the link that it came by.
    Strict,
    /// It is dropped unless there is a way back. The kernel lets this win over strict.
    Loose,
}

/// The settings of the network namespace of the calling thread.
#[derive(Debug, Clone)]
pub struct Settings {
    root: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self { root: ROOT.into() }
    }
}

impl Settings {
    /// Whether packets of a family are forwarded from one link to another.
    ///
    /// # Errors
    /// The file can't be read, or has something else in it.
    pub fn forwarding(&self, family: Family) -> Result<bool, KernelError> {
        self.flag(forwarding(family))
    }

    /// Has packets of a family be forwarded, or not, on all links.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn set_forwarding(&self, family: Family, on: bool) -> Result<(), KernelError> {
        self.write(forwarding(family), u8::from(on))
    }

    /// What is set for packets that come by a link. What counts is [`Settings::effective_reverse_path`].
    ///
    /// # Errors
    /// The file can't be read, or has something else in it.
    pub fn reverse_path(&self, scope: &Scope) -> Result<ReversePath, KernelError> {
        let name = reverse_path(scope);
        match self.read(&name)? {
            0 => Ok(ReversePath::Off),
            1 => Ok(ReversePath::Strict),
            2 => Ok(ReversePath::Loose),
            other => Err(self.unexpected(&name, other, "0, 1 or 2")),
        }
    }

    /// What becomes of packets that come by a link: the greater of what is set for it and for all.
    ///
    /// # Errors
    /// A file can't be read, or has something else in it.
    pub fn effective_reverse_path(&self, link: &LinkName) -> Result<ReversePath, KernelError> {
        let of_all = self.reverse_path(&Scope::All)?;
        Ok(self.reverse_path(&Scope::Link(link.clone()))?.max(of_all))
    }

    /// Sets what becomes of packets that come by a link.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn set_reverse_path(&self, scope: &Scope, to: ReversePath) -> Result<(), KernelError> {
        let value = match to {
            ReversePath::Off => 0,
            ReversePath::Strict => 1,
            ReversePath::Loose => 2,
        };
        self.write(reverse_path(scope), value)
    }

    /// Whether the kernel tells of each route when its next-hop object changes, as programs expect
    /// that don't know of objects; a change then takes time in proportion to the routes. `None`:
    /// this kernel has no such setting.
    ///
    /// # Errors
    /// The file can't be read, or has something else in it.
    pub fn nexthop_compat(&self) -> Result<Option<bool>, KernelError> {
        match self.flag(NEXTHOP_COMPAT) {
            Ok(on) => Ok(Some(on)),
            Err(KernelError::Setting { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Has the kernel tell of each route when its next-hop object changes, or not.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn set_nexthop_compat(&self, on: bool) -> Result<(), KernelError> {
        self.write(NEXTHOP_COMPAT, u8::from(on))
    }

    /// Whether routes over a link without carrier are passed over. For one link both this and what
    /// is set for all of its family are asked; either suffices.
    ///
    /// # Errors
    /// The file can't be read, or has something else in it.
    pub fn ignores_linkdown(&self, family: Family, scope: &Scope) -> Result<bool, KernelError> {
        self.flag(linkdown(family, scope))
    }

    /// Has routes over a link without carrier be passed over, or not.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn set_ignores_linkdown(
        &self,
        family: Family,
        scope: &Scope,
        on: bool,
    ) -> Result<(), KernelError> {
        self.write(linkdown(family, scope), u8::from(on))
    }

    fn flag(&self, name: impl AsRef<Path>) -> Result<bool, KernelError> {
        // The kernel takes any number for a yes.
        self.read(name.as_ref()).map(|value| value != 0)
    }

    fn read(&self, name: impl AsRef<Path>) -> Result<i64, KernelError> {
        let path = self.root.join(name);
        let text = std::fs::read_to_string(&path);
        let value = text.and_then(|text| {
            let invalid = |_| {
                let what = format!("expected a number, found `{}`", text.trim().escape_debug());
                io::Error::new(io::ErrorKind::InvalidData, what)
            };
            text.trim().parse().map_err(invalid)
        });
        value.map_err(|source| KernelError::Setting { path, source })
    }

    fn write(&self, name: impl AsRef<Path>, value: u8) -> Result<(), KernelError> {
        let path = self.root.join(name);
        // It must be there: a file isn't made where the kernel has no such setting.
        let mut file = std::fs::OpenOptions::new();
        let written = file
            .write(true)
            .open(&path)
            .and_then(|mut file| io::Write::write_all(&mut file, format!("{value}\n").as_bytes()));
        written.map_err(|source| KernelError::Setting { path, source })
    }

    fn unexpected(&self, name: &str, found: i64, expected: &str) -> KernelError {
        let what = format!("expected {expected}, found {found}");
        let source = io::Error::new(io::ErrorKind::InvalidData, what);
        KernelError::Setting { path: self.root.join(name), source }
    }
}

const NEXTHOP_COMPAT: &str = "net/ipv4/nexthop_compat_mode";

fn forwarding(family: Family) -> &'static str {
    match family {
        Family::V4 => "net/ipv4/ip_forward",
        Family::V6 => "net/ipv6/conf/all/forwarding",
    }
}

/// A link's name has no slash, so it names no other file.
fn reverse_path(scope: &Scope) -> String {
    format!("net/ipv4/conf/{scope}/rp_filter")
}

fn linkdown(family: Family, scope: &Scope) -> String {
    let family = match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    };
    format!("net/{family}/conf/{scope}/ignore_routes_with_linkdown")
}

#[cfg(test)]
mod tests;
