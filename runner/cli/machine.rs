//! Describes the machine that a run is trained on: provenance for the log and the report. No result
//! depends on it.

use std::thread::available_parallelism;

use grokrun_engine::available_memory;

/// Returns the machine in words: system, processor, cores, free memory, and its name in the
/// network, as far as the system says.
pub(crate) fn describe() -> String {
    let mut parts = vec![format!(
        "{} {}",
        std::env::consts::OS,
        std::env::consts::ARCH
    )];
    parts.extend(processor());
    let cores = available_parallelism().map_or(1, usize::from);
    parts.push(format!("{cores} core{}", if cores == 1 { "" } else { "s" }));
    let gigabytes = |bytes: u64| format!("{:.1} GB free", bytes as f64 / 1e9);
    parts.extend(available_memory().map(gigabytes));
    parts.extend(name());
    parts.join(", ")
}

/// Returns the processor's name, where the system has a file of it.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    let (_, name) = line.split_once(':')?;
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Returns the name of the machine, where the system has a file of it.
fn name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(format!("host {}", name.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_a_system_and_cores() {
        let words = describe();
        assert!(words.starts_with(std::env::consts::OS), "{words}");
        assert!(words.contains(" core") && !words.contains('\n'), "{words}");
    }
}
