//! Names of tables and of views of them.

use crate::parse::name_type;

name_type! {
    /// The name of a table: `nodes`, `services`, `overlay/<vni>`, `fabric`.
    TableName, "table name", 64, "-_./"
}

name_type! {
    /// The name of a view. Every table has the view `default`.
    ViewName, "view name", 64, "-_./:"
}

impl Default for ViewName {
    fn default() -> Self {
        Self("default".into())
    }
}
