//! Looking for bytes in the files that a process has open, such as the database of etcd.

use std::fs;
use std::path::{Path, PathBuf};

use crate::processes;

/// Searches the files of all processes of `program` for each of these bytes, given in hexadecimal,
/// and says how often each was found.
pub(crate) fn search(program: &str, needles: &[&str]) -> Result<String, String> {
    let processes = processes::running(program)?;
    let files: Vec<PathBuf> = processes.iter().flat_map(|id| open_files(*id)).collect();
    if files.is_empty() {
        return Err(format!("no process {program} with open files on this node"));
    }
    let mut counts = vec![0; needles.len()];
    for file in &files {
        let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        for (count, needle) in counts.iter_mut().zip(needles) {
            *count += occurrences(&bytes, &decoded(needle)?);
        }
    }
    let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
    Ok(counts.join(" "))
}

fn open_files(id: i32) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(format!("/proc/{id}/fd")) else {
        return Vec::new();
    };
    let root = format!("/proc/{id}/root");
    let targets = entries
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok());
    let files = targets.filter_map(|target| {
        let inside = target.strip_prefix("/").ok()?.to_owned();
        Some(Path::new(&root).join(inside))
    });
    files.filter(|file| file.is_file()).collect()
}

fn decoded(hex: &str) -> Result<Vec<u8>, String> {
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let text = std::str::from_utf8(pair).map_err(|error| error.to_string())?;
            u8::from_str_radix(text, 16).map_err(|error| format!("{text}: {error}"))
        })
        .collect()
}

fn occurrences(bytes: &[u8], needle: &[u8]) -> usize {
    if needle.is_empty() {
        return 0;
    }
    let windows = bytes.windows(needle.len());
    windows.filter(|window| *window == needle).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_wherever_they_are() {
        let needle = decoded("6b6579").expect("hexadecimal");
        assert_eq!(occurrences(b"a key, another key", &needle), 2);
        assert_eq!(occurrences(b"nothing", &needle), 0);
        assert_eq!(occurrences(b"nothing", b""), 0);
        assert!(decoded("6g").is_err());
    }
}
