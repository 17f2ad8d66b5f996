//! What the measurements were made on.

use std::fmt;

use serde_json::{Value, json};

/// This machine.
#[derive(Debug)]
pub(super) struct Machine {
    cores: usize,
    processor: String,
    memory_mib: u64,
    system: String,
}

impl Machine {
    pub(super) fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let processor = cpu.lines().find_map(|line| line.strip_prefix("model name"));
        let processor = processor.map(|text| text.trim_start_matches(['\t', ' ', ':']).to_owned());
        let memory = read("/proc/meminfo");
        let kib = memory
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"));
        let kib = kib.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Self {
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            processor: processor.unwrap_or_else(|| "unknown processor".to_owned()),
            memory_mib: kib.unwrap_or(0) / 1024,
            system: format!(
                "{} {}",
                std::env::consts::OS,
                read("/proc/sys/kernel/osrelease").trim()
            ),
        }
    }

    /// How the program was built, for a debug build measures nothing.
    fn build() -> &'static str {
        if cfg!(debug_assertions) {
            "debug build: build with --release to compare"
        } else {
            "release build"
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "cores": self.cores, "processor": self.processor, "memoryMiB": self.memory_mib,
            "system": self.system, "byz": env!("CARGO_PKG_VERSION"), "build": Self::build(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} cores of {}, {} MiB, {}; all replicas on this machine; byz {} ({})",
            self.cores,
            self.processor,
            self.memory_mib,
            self.system,
            env!("CARGO_PKG_VERSION"),
            Self::build()
        )
    }
}
