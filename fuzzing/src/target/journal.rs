//! A journal of one segment: it opens or is refused; what opens, opens again with the same records.
//! And a journal that was written here, of which one byte rots: all of its records or a refusal.
//! Two at once may hit a synced end and its seal, which is then no more than a torn end.

use std::collections::BTreeMap;
use std::io;

use byzantine_journal::{Disk, DiskFile, Journal, Limits};
use std::cell::RefCell;
use std::rc::Rc;

/// Large enough for any input.
const LIMITS: Limits = Limits {
    record_bytes: 1 << 16,
    group_bytes: 1 << 17,
    segment_bytes: 1 << 17,
};

/// The name of a journal's first segment.
const SEGMENT: &str = "0000000000000001.segment";

/// The first byte says whether the rest is a segment, or what is done to one.
pub(super) fn check(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0, work)) => rots(work),
        _ => opens_or_not(bytes),
    }
}

fn opens_or_not(bytes: &[u8]) {
    let disk = Memory::default();
    let segment = Rc::new(RefCell::new(bytes.to_vec()));
    disk.files.borrow_mut().insert(SEGMENT.to_owned(), segment);
    let Ok((journal, recovered)) = Journal::open(disk.clone(), LIMITS) else {
        return;
    };
    drop(journal);
    let again = Journal::open(disk, LIMITS);
    let (mut journal, read) = again.expect("what opened once opens again");
    assert_eq!(read.records, recovered.records);
    journal.append(b"one more").expect("there is room");
    journal.sync().expect("memory takes everything");
}

/// `work`: where a byte rots (two bytes), how (a mask), then the records, each behind its length;
/// every other one is synced alone.
fn rots(work: &[u8]) {
    let Some((&[low, high, mask], records)) = work.split_first_chunk() else {
        return;
    };
    let (disk, records) = (Memory::default(), split(records));
    write(&disk, &records);
    if let Some(content) = disk.files.borrow().get(SEGMENT) {
        let mut content = content.borrow_mut();
        let place = usize::from(u16::from_le_bytes([low, high])) % content.len();
        content[place] ^= mask;
    }
    if let Ok((_, read)) = Journal::open(disk, LIMITS) {
        assert_eq!(
            read.records, records,
            "synced records are there, or it is refused"
        );
    }
}

fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while let Some((&length, rest)) = bytes.split_first() {
        let (record, rest) = rest.split_at(rest.len().min(usize::from(length)));
        records.push(record.to_vec());
        bytes = rest;
    }
    records
}

fn write(disk: &Memory, records: &[Vec<u8>]) {
    let opened = Journal::open(disk.clone(), LIMITS);
    let (mut journal, _) = opened.expect("an empty disk is no damage");
    for (number, record) in records.iter().enumerate() {
        journal.append(record).expect("there is room");
        if number % 2 == 1 {
            journal.sync().expect("memory takes everything");
        }
    }
    journal.sync().expect("memory takes everything");
}

/// A disk in memory; copies share it.
#[derive(Debug, Clone, Default)]
struct Memory {
    files: Rc<RefCell<BTreeMap<String, Content>>>,
}

type Content = Rc<RefCell<Vec<u8>>>;

#[derive(Debug)]
struct MemoryFile(Content);

impl Disk for Memory {
    type File = MemoryFile;

    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.files.borrow().keys().cloned().collect())
    }

    fn create(&mut self, name: &str) -> io::Result<MemoryFile> {
        let content = Content::default();
        let mut files = self.files.borrow_mut();
        files.insert(name.to_owned(), Rc::clone(&content));
        Ok(MemoryFile(content))
    }

    fn open(&mut self, name: &str) -> io::Result<MemoryFile> {
        let files = self.files.borrow();
        let content = files.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(MemoryFile(Rc::clone(content)))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.files.borrow_mut();
        let content = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let removed = self.files.borrow_mut().remove(name);
        removed.map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn nonce(&mut self) -> io::Result<u64> {
        Ok(7)
    }
}

impl DiskFile for MemoryFile {
    fn length(&mut self) -> io::Result<u64> {
        Ok(self.0.borrow().len() as u64)
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let content = self.0.borrow();
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(bytes.len());
        let found = end.and_then(|end| content.get(start..end));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.0.borrow_mut();
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::StorageFull)?;
        let end = start + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }
}
