//! A log in memory, of which a crash takes what was not synced.

use std::convert::Infallible;

use byzantine_consensus::Log;

/// A log in memory: what was not synced is gone after a crash.
#[derive(Debug, Default)]
pub struct MemoryLog {
    pub synced: Vec<Vec<u8>>,
    pub pending: Vec<Vec<u8>>,
}

impl MemoryLog {
    pub fn records(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.synced.iter().chain(&self.pending)
    }
}

impl Log for MemoryLog {
    type Error = Infallible;

    fn append(&mut self, record: &[u8]) -> Result<(), Infallible> {
        self.pending.push(record.to_vec());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Infallible> {
        self.synced.append(&mut self.pending);
        Ok(())
    }
}
