//! Rolling and compacting: what is kept, what goes, in which order, and at what cost.

mod simulated_disk;

use std::fs;

use byzantine_journal::{Journal, JournalError, Limits, RealDisk};
use simulated_disk::SimulatedDisk;

const SMALL: Limits = Limits {
    record_bytes: 4096,
    group_bytes: 8192,
    segment_bytes: 3000,
};

fn numbered(range: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    range
        .map(|number| number.to_le_bytes().repeat(50))
        .collect()
}

fn fill(journal: &mut Journal<SimulatedDisk>, records: &[Vec<u8>]) {
    for record in records {
        journal.append(record).expect("short");
        journal.sync().expect("a working disk");
    }
}

#[test]
fn segments_roll_and_are_read_back_as_one() {
    let disk = SimulatedDisk::default();
    let (mut journal, fresh) = Journal::open(disk.clone(), SMALL).expect("an empty disk");
    assert!(fresh.records.is_empty() && fresh.cut.is_none());
    fill(&mut journal, &numbered(0..60));
    let bytes = journal.bytes();
    let payload = numbered(0..60).concat().len() as u64;
    assert!((payload..payload * 5).contains(&bytes), "{bytes}");
    assert!(disk.segments().len() > 4);
    let (journal, recovered) = Journal::open(disk, SMALL).expect("sound");
    assert_eq!(recovered.records, numbered(0..60));
    assert_eq!(journal.bytes(), bytes);
}

#[test]
fn a_group_longer_than_a_segment_is_not_preceded_by_an_empty_one() {
    let disk = SimulatedDisk::default();
    let (mut journal, _) = Journal::open(disk.clone(), SMALL).expect("an empty disk");
    for segments in 1..4 {
        fill(&mut journal, &[vec![7; 4096]]);
        assert_eq!(disk.segments().len(), segments);
    }
}

#[test]
fn compaction_leaves_one_segment_with_the_base_and_what_was_buffered_follows() {
    let disk = SimulatedDisk::default();
    let (mut journal, _) = Journal::open(disk.clone(), SMALL).expect("an empty disk");
    fill(&mut journal, &numbered(0..60));
    journal.append(b"buffered").expect("short");
    journal.compact(numbered(50..55)).expect("a working disk");
    assert_eq!(disk.segments().len(), 1);
    assert!(journal.bytes() < 3000);
    let (_, now) = Journal::open(disk.fork(), SMALL).expect("sound");
    assert_eq!(
        now.records,
        numbered(50..55),
        "the buffered record is not synced yet"
    );
    journal.sync().expect("a working disk");
    fill(&mut journal, &numbered(60..90));
    let (_, recovered) = Journal::open(disk, SMALL).expect("sound");
    let expected = [
        numbered(50..55),
        vec![b"buffered".to_vec()],
        numbered(60..90),
    ]
    .concat();
    assert_eq!(recovered.records, expected);
}

#[test]
fn a_base_larger_than_a_group_and_an_empty_one_are_both_kept() {
    let disk = SimulatedDisk::default();
    let (mut journal, _) = Journal::open(disk.clone(), SMALL).expect("an empty disk");
    journal.compact(numbered(0..300)).expect("a working disk");
    let (mut journal, recovered) = Journal::open(disk.clone(), SMALL).expect("sound");
    assert_eq!(recovered.records, numbered(0..300));
    journal
        .compact(std::iter::empty::<Vec<u8>>())
        .expect("a working disk");
    let (_, recovered) = Journal::open(disk, SMALL).expect("sound");
    assert!(recovered.records.is_empty());
}

#[test]
fn a_base_is_cut_into_groups_whatever_the_length_of_its_records() {
    for length in [1, 7, 99, 1000, 4096] {
        let disk = SimulatedDisk::default();
        let (mut journal, _) = Journal::open(disk.clone(), SMALL).expect("an empty disk");
        let base: Vec<Vec<u8>> = vec![vec![7; length]; 40_000 / length];
        journal.compact(&base).expect("a working disk");
        let (_, recovered) = Journal::open(disk, SMALL).expect("sound");
        assert_eq!(recovered.records, base, "{length}");
    }
}

#[test]
fn a_base_is_in_memory_once_and_four_mebibytes_of_it_twice() {
    const MEBIBYTE: usize = 1 << 20;
    let disk = SimulatedDisk::default();
    let (mut journal, _) = Journal::open(disk.clone(), Limits::default()).expect("an empty disk");
    let base: Vec<Vec<u8>> = vec![vec![7; MEBIBYTE]; 9];
    journal.compact(&base).expect("a working disk");
    let longest = disk.longest_write();
    assert!(
        (3 * MEBIBYTE..=4 * MEBIBYTE).contains(&longest),
        "{longest}"
    );
}

#[test]
fn a_segment_is_filled_by_whole_stretches() {
    const STRETCH: usize = 256 << 10;
    let disk = SimulatedDisk::default();
    let (mut journal, _) = Journal::open(disk.clone(), Limits::default()).expect("an empty disk");
    for length in [100, STRETCH - 4096, 3 * STRETCH + 1, 10] {
        journal.append(&vec![7; length]).expect("short enough");
        journal.sync().expect("a working disk");
        let segments = disk.segments();
        assert_eq!(disk.length_of(&segments[0]) % STRETCH, 0, "after {length}");
    }
}

#[test]
fn a_sync_is_one_write_one_fdatasync_and_the_seal() {
    let disk = SimulatedDisk::default();
    let (mut journal, _) = Journal::open(disk.clone(), Limits::default()).expect("an empty disk");
    for record in numbered(0..10) {
        journal.append(&record).expect("short");
    }
    let (writes, syncs) = disk.writes_and_syncs();
    journal.sync().expect("a working disk");
    assert_eq!(disk.writes_and_syncs(), (writes + 2, syncs + 1));
    journal.sync().expect("nothing to do");
    assert_eq!(disk.writes_and_syncs(), (writes + 2, syncs + 1));
}

#[test]
fn limits_are_errors_and_buffer_nothing() {
    let disk = SimulatedDisk::default();
    let (mut journal, _) = Journal::open(disk.clone(), SMALL).expect("an empty disk");
    let refusal = journal.append(&[0; 4097]);
    assert!(matches!(
        refusal,
        Err(JournalError::RecordTooLong {
            length: 4097,
            limit: 4096
        })
    ));
    journal.append(&[1; 4096]).expect("at the limit");
    assert!(matches!(
        journal.append(&[2; 4096]),
        Err(JournalError::GroupFull { limit: 8192 })
    ));
    journal.append(&[]).expect("an empty record is a record");
    journal.sync().expect("a working disk");
    let tight = Limits {
        record_bytes: 1,
        ..SMALL
    };
    let (_, recovered) = Journal::open(disk, tight).expect("limits bound writing only");
    assert_eq!(recovered.records, [vec![1; 4096], vec![]]);
}

#[test]
fn a_real_directory_keeps_its_records_and_its_neighbours() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let path = root.path().join("journal");
    let disk = RealDisk::open(&path).expect("free");
    let (mut journal, _) = Journal::open(disk, SMALL).expect("empty");
    fs::write(path.join("notes.txt"), "not ours").expect("a small file");
    for record in numbered(0..40) {
        journal.append(&record).expect("short");
        journal.sync().expect("a working disk");
    }
    let refusal = RealDisk::open(&path).expect_err("the journal holds the directory");
    assert!(matches!(refusal, JournalError::Locked { .. }));
    drop(journal);

    let disk = RealDisk::open(&path).expect("released");
    let (mut journal, recovered) = Journal::open(disk, SMALL).expect("sound");
    assert_eq!(recovered.records, numbered(0..40));
    assert!(!recovered.compacted);
    journal.compact(numbered(38..40)).expect("a working disk");
    drop(journal);
    let disk = RealDisk::open(&path).expect("released");
    let (_, recovered) = Journal::open(disk, SMALL).expect("sound");
    assert_eq!(recovered.records, numbered(38..40));
    assert!(recovered.compacted);
    assert_eq!(
        fs::read_to_string(path.join("notes.txt")).expect("still there"),
        "not ours"
    );
    let segments = fs::read_dir(&path).expect("a directory").count();
    assert_eq!(segments, 3, "one segment, the lock and the neighbour");
}
