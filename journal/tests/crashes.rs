//! The power is cut at every write and every sync of a workload: what was synced is read back,
//! in order, with nothing in between lost and nothing invented.

mod simulated_disk;

use byzantine_journal::{Journal, JournalError, Limits};
use proptest::prelude::*;
use simulated_disk::{Chance, SimulatedDisk};

const SMALL: Limits = Limits {
    record_bytes: 4096,
    group_bytes: 16384,
    segment_bytes: 2500,
};

/// One step of a program that uses a journal.
#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Sync,
    /// Keep only so many of the newest records.
    Compact(usize),
}

/// What a program knows of its journal while it runs.
#[derive(Clone, Debug, Default)]
struct Program {
    /// Everything appended since the base, the base included, in order.
    records: Vec<Vec<u8>>,
    /// How many of them are certainly durable.
    synced: usize,
    /// What a compaction under way would leave.
    other: Option<Vec<Vec<u8>>>,
    appended: usize,
}

impl Program {
    fn run(&mut self, disk: &SimulatedDisk, steps: &[Step]) -> Result<(), JournalError> {
        let (mut journal, recovered) = Journal::open(disk.clone(), SMALL)?;
        self.records = recovered.records;
        self.synced = self.records.len();
        steps
            .iter()
            .try_for_each(|step| self.step(&mut journal, step))
    }

    fn step(
        &mut self,
        journal: &mut Journal<SimulatedDisk>,
        step: &Step,
    ) -> Result<(), JournalError> {
        match step {
            Step::Append(length) => {
                self.appended += 1;
                let mut record = self.appended.to_le_bytes().to_vec();
                record.resize(
                    8 + length,
                    u8::try_from(self.appended % 255 + 1).expect("small"),
                );
                journal.append(&record)?;
                self.records.push(record);
            }
            Step::Sync => {
                journal.sync()?;
                self.synced = self.records.len();
            }
            Step::Compact(keep) => self.compact(journal, *keep)?,
        }
        Ok(())
    }

    fn compact(
        &mut self,
        journal: &mut Journal<SimulatedDisk>,
        keep: usize,
    ) -> Result<(), JournalError> {
        let base = self.records[self.synced.saturating_sub(keep)..self.synced].to_vec();
        let buffered = self.records[self.synced..].to_vec();
        self.other = Some(base.clone());
        journal.compact(&base)?;
        self.other = None;
        self.synced = base.len();
        self.records = [base, buffered].concat();
        Ok(())
    }

    fn check(&self, read: &[Vec<u8>]) {
        let old = self.records.starts_with(read) && read.len() >= self.synced;
        let new = self.other.as_ref().is_some_and(|other| other == read);
        let (lengths, synced) = (read.len(), self.synced);
        assert!(old || new, "{lengths} records read back, {synced} synced");
    }
}

/// Runs the steps, crashing after every number of operations, with several tears each.
fn crash_everywhere(steps: &[Step], tears: u64) {
    let whole = SimulatedDisk::default();
    Program::default()
        .run(&whole, steps)
        .expect("a working disk");
    for operations in 0..=whole.operations() {
        let disk = SimulatedDisk::default();
        disk.cut_power_after(operations);
        let mut program = Program::default();
        let outcome = program.run(&disk, steps);
        assert_eq!(
            outcome.is_ok(),
            operations == whole.operations(),
            "{outcome:?}"
        );
        for tear in 0..tears {
            let disk = disk.fork();
            disk.crash(&mut Chance::new(operations * tears + tear));
            recover_twice(&disk, &program, operations + tear);
        }
    }
}

/// Opens after the crash, with a second crash while opening, then writes on.
fn recover_twice(disk: &SimulatedDisk, program: &Program, seed: u64) {
    let mut chance = Chance::new(seed);
    disk.cut_power_after(chance.below(8));
    let first = Journal::open(disk.clone(), SMALL);
    if let Ok((_, recovered)) = &first {
        program.check(&recovered.records);
    }
    disk.crash(&mut chance);
    let (mut journal, recovered) = Journal::open(disk.clone(), SMALL).expect("a sound journal");
    program.check(&recovered.records);
    if let Ok((_, before)) = first {
        assert_eq!(
            before.records, recovered.records,
            "what open returned was not durable"
        );
    }
    journal.append(b"after the crash").expect("short");
    journal.sync().expect("a working disk");
    disk.crash(&mut chance);
    let (_, again) = Journal::open(disk.clone(), SMALL).expect("a sound journal");
    let expected = [recovered.records, vec![b"after the crash".to_vec()]].concat();
    assert_eq!(again.records, expected);
    assert_eq!(again.cut, None);
}

#[test]
fn every_boundary_of_appending_rolling_and_compacting() {
    let steps: Vec<_> = (0..30)
        .flat_map(|index| match index % 10 {
            4 => vec![Step::Append(700), Step::Compact(3), Step::Sync],
            7 => vec![
                Step::Append(1500),
                Step::Append(0),
                Step::Append(600),
                Step::Sync,
            ],
            _ => vec![Step::Append(index * 29 % 600), Step::Append(3), Step::Sync],
        })
        .collect();
    crash_everywhere(&steps, 12);
}

#[test]
fn what_open_returned_after_a_killed_process_survives_the_next_power_cut() {
    let disk = SimulatedDisk::default();
    let (mut journal, _) = Journal::open(disk.clone(), SMALL).expect("an empty disk");
    journal.append(b"written, not synced").expect("short");
    disk.fail_next_sync();
    journal
        .sync()
        .expect_err("the process dies between the write and the sync");
    drop(journal);
    let (_, recovered) = Journal::open(disk.clone(), SMALL).expect("sound");
    assert_eq!(recovered.records, [b"written, not synced"]);
    disk.crash_losing_all();
    let (_, again) = Journal::open(disk, SMALL).expect("sound");
    assert_eq!(again.records, recovered.records);
}

#[test]
fn a_failed_sync_closes_the_journal_for_good() {
    let disk = SimulatedDisk::default();
    let (mut journal, _) = Journal::open(disk.clone(), SMALL).expect("an empty disk");
    journal.append(b"lost").expect("short");
    disk.fail_next_sync();
    assert!(matches!(journal.sync(), Err(JournalError::Disk { .. })));
    assert!(matches!(journal.sync(), Err(JournalError::Closed)));
    assert!(matches!(
        journal.compact([b"base"]),
        Err(JournalError::Closed)
    ));
}

#[test]
fn a_compaction_that_cannot_be_written_leaves_the_journal_in_use() {
    let disk = SimulatedDisk::default();
    let (mut journal, _) = Journal::open(disk.clone(), SMALL).expect("an empty disk");
    journal.append(b"kept").expect("short");
    journal.sync().expect("a working disk");
    let refusal = journal.compact([vec![0; 5000]]);
    assert!(matches!(
        refusal,
        Err(JournalError::RecordTooLong { length: 5000, .. })
    ));
    journal.append(b"and more").expect("short");
    journal.sync().expect("a working disk");
    let (_, recovered) = Journal::open(disk, SMALL).expect("sound");
    assert_eq!(recovered.records, [b"kept".to_vec(), b"and more".to_vec()]);
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..1200_usize).prop_map(Step::Append),
        4 => Just(Step::Sync),
        1 => (0..6_usize).prop_map(Step::Compact),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_boundary_of_any_program(steps in steps()) {
        crash_everywhere(&steps, 2);
    }
}
