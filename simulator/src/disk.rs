//! A disk in memory that keeps exactly the promises of [`byzantine_journal::Disk`], no more.
//!
//! What was not synced is lost, kept, or kept in part, sector by sector, when the power fails;
//! so are names. A fuse makes an operation fail, and all after it: a crash at that very point.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use byzantine_journal::{DiskFile, SECTOR_BYTES};

use crate::random::Random;

/// A sector of which nothing was written.
const ZEROS: [u8; SECTOR_BYTES] = [0; SECTOR_BYTES];

/// One disk; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct SimulatedDisk(Rc<RefCell<Platter>>);

/// What is on the disk, and what would be if the power failed now.
#[derive(Debug, Clone, Default)]
struct Platter {
    files: BTreeMap<u64, File>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes of names not yet synced, in order.
    renamings: Vec<Renaming>,
    created: u64,
    nonces: u64,
    /// Operations until one fails.
    fuse: Option<u32>,
    operations: u64,
}

#[derive(Debug, Clone, Default)]
struct File {
    bytes: Vec<u8>,
    /// Sectors changed since the last sync, a bit each.
    changed: Vec<u64>,
    /// Those that held anything but zeros then, as they were.
    before: BTreeMap<usize, Box<[u8; SECTOR_BYTES]>>,
    durable_length: usize,
}

#[derive(Debug, Clone)]
enum Renaming {
    Create(String, u64),
    Rename(String, String),
    Remove(String),
}

/// What a disk held at one moment.
#[derive(Debug, Clone)]
pub struct Image(Platter);

impl SimulatedDisk {
    /// Makes the operation after `count` others fail, and all after it.
    pub fn set_fuse(&self, count: Option<u32>) {
        self.0.borrow_mut().fuse = count;
    }

    /// Syncs a file that is kept elsewhere: all that this shows is whether it may fail.
    ///
    /// # Errors
    /// The fuse has blown.
    pub fn sync_elsewhere(&self) -> io::Result<()> {
        self.0.borrow_mut().operate()
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.0.borrow().operations
    }

    /// The power fails: of all that was not synced, chance decides what is kept.
    pub fn lose_power(&self, random: &mut Random) {
        let mut platter = self.0.borrow_mut();
        let kept = random.place(platter.renamings.len() + 1);
        let renamings: Vec<Renaming> = platter.renamings.drain(..).collect();
        for renaming in renamings.into_iter().take(kept) {
            apply(&mut platter.durable_names, renaming);
        }
        platter.names = platter.durable_names.clone();
        // Everything lost, everything kept, or a mixture: each is a disk that exists.
        let manner = random.below(3);
        for file in platter.files.values_mut() {
            file.lose_power(manner, random);
        }
        platter.drop_nameless();
    }

    /// Flips one bit of a file that was synced; `false` when there is none.
    pub fn flip_bit(&self, random: &mut Random) -> bool {
        let mut platter = self.0.borrow_mut();
        let Some(file) = platter.some_file(random) else {
            return false;
        };
        let written = file.written();
        if written == 0 {
            return false;
        }
        let place = random.place(written);
        file.bytes[place] ^= 1 << random.below(8);
        true
    }

    /// Writes one sector over another of the same file; `false` when there are no two.
    pub fn misdirect(&self, random: &mut Random) -> bool {
        let mut platter = self.0.borrow_mut();
        let Some(file) = platter.some_file(random) else {
            return false;
        };
        let sectors = file.written() / SECTOR_BYTES;
        if sectors < 2 {
            return false;
        }
        let (from, to) = (random.place(sectors), random.place(sectors));
        let at = from * SECTOR_BYTES;
        let sector = file.bytes[at..at + SECTOR_BYTES].to_vec();
        let at = to * SECTOR_BYTES;
        let changed = file.bytes[at..at + SECTOR_BYTES] != sector[..];
        file.bytes[at..at + SECTOR_BYTES].copy_from_slice(&sector);
        changed
    }

    /// Everything is gone.
    pub fn wipe(&self) {
        let mut platter = self.0.borrow_mut();
        let nonces = platter.nonces;
        *platter = Platter {
            nonces,
            ..Platter::default()
        };
    }

    /// Whether nothing is on the disk.
    pub fn is_blank(&self) -> bool {
        self.0.borrow().names.is_empty()
    }

    /// What is on the disk now.
    pub fn image(&self) -> Image {
        Image(self.0.borrow().clone())
    }

    /// Puts back what was on the disk then.
    pub fn restore(&self, image: &Image) {
        let mut platter = self.0.borrow_mut();
        let nonces = platter.nonces;
        *platter = image.0.clone();
        (platter.nonces, platter.fuse) = (nonces, None);
    }
}

fn apply(names: &mut BTreeMap<String, u64>, renaming: Renaming) {
    match renaming {
        Renaming::Create(name, file) => {
            names.insert(name, file);
        }
        Renaming::Rename(from, to) => {
            if let Some(file) = names.remove(&from) {
                names.insert(to, file);
            }
        }
        Renaming::Remove(name) => {
            names.remove(&name);
        }
    }
}

impl Platter {
    fn some_file(&mut self, random: &mut Random) -> Option<&mut File> {
        let numbers: Vec<u64> = self.names.values().copied().collect();
        let number = *numbers.get(random.place(numbers.len()))?;
        self.files.get_mut(&number)
    }

    fn drop_nameless(&mut self) {
        let (names, durable) = (&self.names, &self.durable_names);
        self.files.retain(|number, _| {
            names.values().any(|named| named == number)
                || durable.values().any(|named| named == number)
        });
    }

    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        match &mut self.fuse {
            Some(0) => Err(io::Error::other("the power failed")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn rename(&mut self, renaming: Renaming) {
        apply(&mut self.names, renaming.clone());
        self.renamings.push(renaming);
    }

    fn file(&mut self, number: u64) -> io::Result<&mut File> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        self.files.get_mut(&number).ok_or_else(missing)
    }
}

impl File {
    fn lose_power(&mut self, manner: u64, random: &mut Random) {
        let before = std::mem::take(&mut self.before);
        let changed = std::mem::take(&mut self.changed);
        let sectors = 0..changed.len() * 64;
        for sector in sectors.filter(|sector| changed[sector / 64] & (1 << (sector % 64)) != 0) {
            let old = before.get(&sector).map_or(&ZEROS, |old| &**old);
            let kept = match manner {
                0 => false,
                1 => true,
                _ => random.chance(500),
            };
            let at = sector * SECTOR_BYTES;
            if !kept && at < self.bytes.len() {
                let end = self.bytes.len().min(at + SECTOR_BYTES);
                self.bytes[at..end].copy_from_slice(&old[..end - at]);
            }
        }
        if manner == 0 {
            self.bytes.truncate(self.durable_length);
        }
        self.durable_length = self.bytes.len();
    }

    /// Bytes up to the last that is not zero.
    fn written(&self) -> usize {
        let last = self.bytes.iter().rposition(|byte| *byte != 0);
        last.map_or(0, |last| last + 1)
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if bytes.is_empty() {
            return;
        }
        for sector in offset / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES {
            self.remember(sector);
        }
        if self.bytes.len() < offset {
            self.bytes.resize(offset, 0);
        }
        let inside = bytes.len().min(self.bytes.len() - offset);
        let (over, beyond) = bytes.split_at(inside);
        self.bytes[offset..offset + inside].copy_from_slice(over);
        self.bytes.extend_from_slice(beyond);
    }

    /// Keeps a sector as it is, if it was not changed since the last sync.
    fn remember(&mut self, sector: usize) {
        let (word, bit) = (sector / 64, 1 << (sector % 64));
        if self.changed.len() <= word {
            self.changed.resize(word + 1, 0);
        }
        if self.changed[word] & bit != 0 {
            return;
        }
        self.changed[word] |= bit;
        let start = (sector * SECTOR_BYTES).min(self.bytes.len());
        let end = (start + SECTOR_BYTES).min(self.bytes.len());
        let now = &self.bytes[start..end];
        if *now != ZEROS[..now.len()] {
            let mut old = Box::new(ZEROS);
            old[..now.len()].copy_from_slice(now);
            self.before.insert(sector, old);
        }
    }
}

impl byzantine_journal::Disk for SimulatedDisk {
    type File = OpenFile;

    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut platter = self.0.borrow_mut();
        platter.operate()?;
        Ok(platter.names.keys().cloned().collect())
    }

    fn create(&mut self, name: &str) -> io::Result<OpenFile> {
        let mut platter = self.0.borrow_mut();
        platter.operate()?;
        platter.created += 1;
        let number = platter.created;
        platter.files.insert(number, File::default());
        platter.rename(Renaming::Create(name.to_owned(), number));
        Ok(self.opened(number))
    }

    fn open(&mut self, name: &str) -> io::Result<OpenFile> {
        let mut platter = self.0.borrow_mut();
        platter.operate()?;
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let number = platter.names.get(name).copied().ok_or_else(missing)?;
        Ok(self.opened(number))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut platter = self.0.borrow_mut();
        platter.operate()?;
        platter.rename(Renaming::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut platter = self.0.borrow_mut();
        platter.operate()?;
        platter.rename(Renaming::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        let mut platter = self.0.borrow_mut();
        platter.operate()?;
        platter.renamings.clear();
        platter.durable_names = platter.names.clone();
        platter.drop_nameless();
        Ok(())
    }

    fn nonce(&mut self) -> io::Result<u64> {
        let mut platter = self.0.borrow_mut();
        platter.nonces += 1;
        Ok(platter.nonces.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

impl SimulatedDisk {
    fn opened(&self, number: u64) -> OpenFile {
        OpenFile {
            disk: self.clone(),
            number,
        }
    }
}

/// One open file.
#[derive(Debug)]
pub struct OpenFile {
    disk: SimulatedDisk,
    number: u64,
}

fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}

impl DiskFile for OpenFile {
    fn length(&mut self) -> io::Result<u64> {
        let mut platter = self.disk.0.borrow_mut();
        platter.operate()?;
        Ok(platter.file(self.number)?.bytes.len() as u64)
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut platter = self.disk.0.borrow_mut();
        platter.operate()?;
        let start = place(offset)?;
        let file = platter.file(self.number)?;
        let ended = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let source = file.bytes.get(start..start + bytes.len());
        bytes.copy_from_slice(source.ok_or_else(ended)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut platter = self.disk.0.borrow_mut();
        platter.operate()?;
        platter.file(self.number)?.write(place(offset)?, bytes);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut platter = self.disk.0.borrow_mut();
        platter.operate()?;
        let file = platter.file(self.number)?;
        file.before.clear();
        file.changed.fill(0);
        file.durable_length = file.bytes.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byzantine_journal::Disk as _;

    #[test]
    fn synced_bytes_survive_and_others_may_not() {
        let mut random = Random::new(3, "disk");
        let (mut lost, mut kept) = (0, 0);
        for _ in 0..50 {
            let mut disk = SimulatedDisk::default();
            let mut file = disk.create("a").unwrap();
            disk.sync_directory().unwrap();
            file.write_at(0, &[1; 600]).unwrap();
            file.sync_data().unwrap();
            file.write_at(100, &[2; 700]).unwrap();
            disk.lose_power(&mut random);
            let mut byte = [0];
            disk.open("a").unwrap().read_at(0, &mut byte).unwrap();
            assert_eq!(byte, [1]);
            file.read_at(100, &mut byte).unwrap();
            match byte {
                [1] => lost += 1,
                [2] => kept += 1,
                other => panic!("{other:?} was never written"),
            }
        }
        assert!(lost > 5 && kept > 5, "{lost} lost, {kept} kept");
    }

    #[test]
    fn a_name_is_durable_once_the_directory_is_synced() {
        let mut random = Random::new(1, "disk");
        let gone = (0..50).any(|_| {
            let mut disk = SimulatedDisk::default();
            disk.create("a").unwrap();
            disk.lose_power(&mut random);
            disk.list().unwrap().is_empty()
        });
        assert!(gone);
    }

    #[test]
    fn a_burnt_fuse_fails_everything_after_it() {
        let mut disk = SimulatedDisk::default();
        disk.set_fuse(Some(1));
        assert!(disk.create("a").is_ok());
        assert!(disk.create("b").is_err());
        assert!(disk.list().is_err());
    }
}
