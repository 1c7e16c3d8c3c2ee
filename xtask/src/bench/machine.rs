//! What the figures were measured on.

use std::process::Command;

use anyhow::Result;

use crate::shell;

/// One line: processors, memory, kernel, compiler.
pub(super) fn describe() -> Result<String> {
    let processors = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = field(&processors, "model name").unwrap_or("a processor without a name");
    let n_processors = std::thread::available_parallelism()?;
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let memory_kb: u64 = field(&memory, "MemTotal")
        .and_then(|value| value.strip_suffix(" kB")?.parse().ok())
        .unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let compiler = shell::output(Command::new("rustc").arg("--version"))?;
    Ok(format!(
        "{n_processors} × {model}, {} GiB, Linux {}, {}",
        memory_kb.div_ceil(1024 * 1024),
        kernel.trim(),
        compiler.trim()
    ))
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}
