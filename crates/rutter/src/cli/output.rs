//! One value, printed for people or for programs.

use std::io::Write;

use serde::Serialize;

/// For whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Where what a command says goes: standard output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
}

impl Output {
    pub(super) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Prints a value: as JSON, or as the text made of it.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub(super) fn print<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        let text = match self.format {
            Format::Text => text(value),
            Format::Json => format!("{}\n", serde_json::to_string_pretty(value)?),
        };
        self.write(&text)
    }

    /// Prints one of many values: a line of JSON, or the text made of it.
    ///
    /// # Errors
    /// As [`Output::print`].
    pub(super) fn print_line<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        let text = match self.format {
            Format::Text => text(value),
            Format::Json => serde_json::to_string(value)?,
        };
        self.write(&format!("{text}\n"))
    }

    /// Prints a text as it is.
    ///
    /// # Errors
    /// As [`Output::print`].
    pub(super) fn write(self, text: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }
}
