//! `inbound_mtls_profiles`: whose client certificates are good.

use std::path::PathBuf;

use super::Setup;
use super::top::texts;
use crate::godoxy::fields::Fields;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;

/// Whose client certificates are good; at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MtlsProfile {
    /// Those of the CAs that the system trusts.
    pub uses_system_roots: bool,
    /// Those of the CAs in these PEM files.
    pub ca_files: Vec<PathBuf>,
}

pub(super) fn read(to: &mut Setup, tree: &Tree, notes: &mut Notes) {
    let Some(profiles) = notes.take(lax::map(tree)) else { return };
    for (name, tree) in profiles.iter() {
        notes.within(name, |notes| {
            let mut profile = MtlsProfile::default();
            FIELDS.read_section(tree, &mut profile, notes);
            if !profile.uses_system_roots && profile.ca_files.is_empty() {
                notes.problem(
                    "expected `use_system_cas: true` or `ca_files`: without a CA nobody gets in",
                );
            }
            to.inbound_mtls_profiles.insert(name.clone(), profile);
        });
    }
}

const FIELDS: Fields<MtlsProfile> = Fields(&[
    (&["use_system_cas"], |to, tree, notes| {
        to.uses_system_roots = notes.take(lax::boolean(tree)).unwrap_or_default();
    }),
    (&["ca_files"], |to, tree, notes| {
        to.ca_files = texts(tree, notes, |text| Ok(PathBuf::from(text.trim())));
    }),
]);
