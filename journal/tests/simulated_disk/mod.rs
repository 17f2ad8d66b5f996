//! A disk in memory with the faults of real ones: unsynced writes are lost or kept sector by
//! sector, directory changes are lost until synced, power goes at any operation, bits flip and
//! sectors land elsewhere. Clones share one disk, as processes share a machine.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use byzantine_journal::{Disk, DiskFile, SECTOR_BYTES};

/// A repeatable source of choices (xorshift64*).
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % limit
    }
}

#[derive(Clone, Debug, Default)]
struct Content {
    /// What programs read.
    current: Vec<u8>,
    /// What survives a power cut for certain.
    durable: Vec<u8>,
    /// Writes since the last sync: offset and bytes, each within one sector.
    pieces: Vec<(usize, Vec<u8>)>,
}

#[derive(Clone, Debug)]
enum Change {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

#[derive(Clone, Debug, Default)]
struct World {
    contents: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    changes: Vec<Change>,
    operations: u64,
    power_until: Option<u64>,
    nonces: u64,
    syncs: u64,
    writes: u64,
    longest_write: usize,
    fail_next_sync: bool,
}

/// The disk, or one of its files.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimulatedDisk(Rc<RefCell<World>>);

#[derive(Clone, Debug)]
pub(crate) struct SimulatedFile {
    world: Rc<RefCell<World>>,
    content: usize,
}

impl SimulatedDisk {
    /// A copy that shares nothing with this one.
    pub(crate) fn fork(&self) -> Self {
        Self(Rc::new(RefCell::new(self.0.borrow().clone())))
    }

    /// Cuts the power after so many further operations that change something.
    pub(crate) fn cut_power_after(&self, operations: u64) {
        let mut world = self.0.borrow_mut();
        world.power_until = Some(world.operations + operations);
    }

    /// How many operations changed something, or tried to.
    pub(crate) fn operations(&self) -> u64 {
        self.0.borrow().operations
    }

    /// File writes and file syncs so far.
    pub(crate) fn writes_and_syncs(&self) -> (u64, u64) {
        let world = self.0.borrow();
        (world.writes, world.syncs)
    }

    /// The longest write so far, in bytes.
    pub(crate) fn longest_write(&self) -> usize {
        self.0.borrow().longest_write
    }

    /// How long a file is, in bytes.
    pub(crate) fn length_of(&self, name: &str) -> usize {
        let world = self.0.borrow();
        world.contents[world.names[name]].current.len()
    }

    /// Lets the next sync of a file report an error and persist nothing.
    pub(crate) fn fail_next_sync(&self) {
        self.0.borrow_mut().fail_next_sync = true;
    }

    /// The power goes and comes back: what was not synced is kept or lost as chance has it.
    pub(crate) fn crash(&self, chance: &mut Chance) {
        let mut world = self.0.borrow_mut();
        for content in &mut world.contents {
            content.crash(chance);
        }
        let changes = std::mem::take(&mut world.changes);
        let mut names = std::mem::take(&mut world.durable_names);
        for change in changes {
            if chance.below(3) > 0 {
                apply(&mut names, &change);
            }
        }
        world.names.clone_from(&names);
        world.durable_names = names;
        world.power_until = None;
    }

    /// Every unsynced write and directory change is lost.
    pub(crate) fn crash_losing_all(&self) {
        let mut world = self.0.borrow_mut();
        for content in &mut world.contents {
            content.pieces.clear();
            content.current.clone_from(&content.durable);
        }
        world.changes.clear();
        world.names = world.durable_names.clone();
        world.power_until = None;
    }

    /// The segment files, in order.
    pub(crate) fn segments(&self) -> Vec<String> {
        let world = self.0.borrow();
        world
            .names
            .keys()
            .filter(|name| name.ends_with(".segment"))
            .cloned()
            .collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.borrow().names.keys().cloned().collect()
    }

    /// Changes a file behind the journal's back, durably.
    pub(crate) fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.0.borrow_mut();
        let index = world.names[name];
        let content = &mut world.contents[index];
        change(&mut content.current);
        content.durable.clone_from(&content.current);
        content.pieces.clear();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        let world = self.0.borrow();
        world.contents[world.names[name]].current.clone()
    }

    pub(crate) fn lose_file(&self, name: &str) {
        let mut world = self.0.borrow_mut();
        world.names.remove(name);
        world.durable_names.remove(name);
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let mut world = self.0.borrow_mut();
        let result = world.step();
        apply(&mut world.names, &change);
        world.changes.push(change);
        result
    }

    fn file(&self, content: usize) -> SimulatedFile {
        SimulatedFile {
            world: Rc::clone(&self.0),
            content,
        }
    }
}

impl World {
    /// Counts an operation. One that fails for want of power may yet have had its effect.
    fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.power_until {
            Some(until) if self.operations > until => Err(io::Error::other("the power is cut")),
            _ => Ok(()),
        }
    }

    fn dark(&self) -> bool {
        self.power_until
            .is_some_and(|until| self.operations > until + 1)
    }
}

impl Content {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.current, offset, bytes);
        let mut at = 0;
        while at < bytes.len() {
            let room = SECTOR_BYTES - (offset + at) % SECTOR_BYTES;
            let end = (at + room).min(bytes.len());
            self.pieces.push((offset + at, bytes[at..end].to_vec()));
            at = end;
        }
    }

    /// Each sector keeps some first part of its unsynced writes.
    fn crash(&mut self, chance: &mut Chance) {
        let mut kept: BTreeMap<usize, bool> = BTreeMap::new();
        for (offset, bytes) in std::mem::take(&mut self.pieces) {
            let keep = kept.entry(offset / SECTOR_BYTES).or_insert(true);
            *keep = *keep && chance.below(4) > 0;
            if *keep {
                put(&mut self.durable, offset, &bytes);
            }
        }
        self.current.clone_from(&self.durable);
    }
}

fn put(target: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if target.len() < offset + bytes.len() {
        target.resize(offset + bytes.len(), 0);
    }
    target[offset..offset + bytes.len()].copy_from_slice(bytes);
}

fn apply(names: &mut BTreeMap<String, usize>, change: &Change) {
    match change {
        Change::Create(name, content) => {
            names.insert(name.clone(), *content);
        }
        Change::Rename(from, to) => {
            if let Some(content) = names.remove(from) {
                names.insert(to.clone(), content);
            }
        }
        Change::Remove(name) => {
            names.remove(name);
        }
    }
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn create(&mut self, name: &str) -> io::Result<SimulatedFile> {
        let content = {
            let mut world = self.0.borrow_mut();
            world.contents.push(Content::default());
            world.contents.len() - 1
        };
        self.change(Change::Create(name.to_owned(), content))?;
        Ok(self.file(content))
    }

    fn open(&mut self, name: &str) -> io::Result<SimulatedFile> {
        let content = self.0.borrow().names.get(name).copied();
        content
            .map(|content| self.file(content))
            .ok_or(io::ErrorKind::NotFound.into())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.change(Change::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.change(Change::Remove(name.to_owned()))
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        let mut world = self.0.borrow_mut();
        world.step()?;
        world.durable_names = world.names.clone();
        world.changes.clear();
        Ok(())
    }

    fn nonce(&mut self) -> io::Result<u64> {
        let mut world = self.0.borrow_mut();
        world.nonces += 1;
        Ok(world.nonces.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

impl DiskFile for SimulatedFile {
    fn length(&mut self) -> io::Result<u64> {
        Ok(self.world.borrow().contents[self.content].current.len() as u64)
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let world = self.world.borrow();
        let offset = usize::try_from(offset).expect("simulated files are small");
        let source = world.contents[self.content]
            .current
            .get(offset..offset + bytes.len());
        bytes.copy_from_slice(source.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        let result = world.step();
        world.writes += 1;
        world.longest_write = world.longest_write.max(bytes.len());
        // The write during which the power goes may reach the disk in part.
        if !world.dark() {
            let offset = usize::try_from(offset).expect("simulated files are small");
            world.contents[self.content].write(offset, bytes);
        }
        result
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        world.step()?;
        world.syncs += 1;
        if std::mem::take(&mut world.fail_next_sync) {
            return Err(io::Error::other("the disk failed to sync"));
        }
        let content = &mut world.contents[self.content];
        content.durable.clone_from(&content.current);
        content.pieces.clear();
        Ok(())
    }
}
