//! Keys of clusters: a file a cluster, and all public halves in one that everybody reads.

use std::fmt::Write as _;
use std::path::Path;

use rutter_link::LinkKey;

use crate::scene::NAMES;

/// Makes a key for each cluster: `NAME.pem`, and their public halves in `known`.
pub(crate) fn make(dir: &Path) {
    let mut known = String::new();
    for name in NAMES {
        let key = LinkKey::generate().unwrap();
        let file = dir.join(format!("{name}.pem"));
        std::fs::write(&file, key.to_pem()).unwrap();
        only_for_its_owner(&file);
        writeln!(known, "{name} {}", key.public().unwrap()).unwrap();
    }
    std::fs::write(dir.join("known"), known).unwrap();
}

fn only_for_its_owner(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}
