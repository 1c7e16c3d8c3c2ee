//! `rutter completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter completions bash > /etc/bash_completion.d/rutter
  rutter completions zsh > ~/.zfunc/_rutter
  rutter completions fish > ~/.config/fish/completions/rutter.fish")]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "rutter", &mut text);
        super::Output::new(super::Format::Text).write(&String::from_utf8_lossy(&text))
    }
}
