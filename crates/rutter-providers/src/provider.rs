//! Who provides routes.

use std::fmt;

use rutter_route::{ParseError, SourceId, SourceKind};
use smol_str::SmolStr;

use crate::conflict::ClaimKind;

/// What sort of provider; the words are GoDoxy's (its provider types).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProviderKind {
    /// Rutter itself, and who uses the registry in this process.
    BuiltIn,
    /// A file of routes.
    File,
    /// A container engine.
    Docker,
}

impl ProviderKind {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "static",
            Self::File => "file",
            Self::Docker => "docker",
        }
    }

    /// How strong its claims are.
    pub fn claims(self) -> ClaimKind {
        match self {
            Self::BuiltIn => ClaimKind::BuiltIn,
            Self::File => ClaimKind::Explicit,
            Self::Docker => ClaimKind::Container,
        }
    }
}

/// A provider: its kind and name. As text its full name, as GoDoxy writes it: a file's name,
/// `docker@NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId {
    kind: ProviderKind,
    name: SmolStr,
}

impl ProviderId {
    /// A provider of that name.
    ///
    /// # Errors
    /// It can't be a source's name: empty, or too long.
    pub fn new(kind: ProviderKind, name: &str) -> Result<Self, ParseError> {
        let id = Self { kind, name: name.into() };
        SourceId::new(SourceKind::Provider, &id.to_string())?;
        Ok(id)
    }

    /// Its kind.
    pub fn kind(&self) -> ProviderKind {
        self.kind
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name that people see: a file's without what follows its first dot.
    pub fn short_name(&self) -> &str {
        match self.kind {
            ProviderKind::File => self.name.split('.').next().unwrap_or(&self.name),
            _ => &self.name,
        }
    }

    /// The source that its routes have in the table.
    pub fn source(&self) -> SourceId {
        // `new` has tried it.
        SourceId::new(SourceKind::Provider, &self.to_string())
            .unwrap_or_else(|_| unreachable!("a provider's name was checked when it was made"))
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ProviderKind::Docker => write!(f, "docker@{}", self.name),
            ProviderKind::BuiltIn | ProviderKind::File => f.write_str(&self.name),
        }
    }
}
