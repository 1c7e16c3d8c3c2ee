//! `rutter reload`: the running program reads its file again.

use clap::Args;

use super::Global;
use crate::run::{Asked, Said, ask_running};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter reload --dry-run       what would change, and what needs a restart
  rutter reload                 the same as SIGHUP, with the answer here

A file with a mistake changes nothing.")]
pub(crate) struct Reload {
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
}

impl Reload {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let asked = Asked::Reload { dry_run: self.dry_run };
        let Said::Reloaded(reloaded) = ask_running(&global.data()?, asked).await? else {
            anyhow::bail!("it answers something else: another version runs there");
        };
        global.output().print(&reloaded, |reloaded| {
            if reloaded.changes.is_empty() {
                return "nothing differs\n".to_owned();
            }
            let mut text = match reloaded.dry_run {
                true => "would change:\n".to_owned(),
                false => "changed, but for what needs a restart:\n".to_owned(),
            };
            for change in &reloaded.changes {
                text.push_str(&format!("  {change}\n"));
            }
            text
        })
    }
}
