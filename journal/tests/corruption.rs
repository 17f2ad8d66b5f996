//! Damage to synced bytes is refused, wherever it is; damage to anything else loses nothing.

mod simulated_disk;

use byzantine_journal::{Damage, DamageKind, Journal, JournalError, Limits, SECTOR_BYTES};
use proptest::prelude::*;
use simulated_disk::{Chance, SimulatedDisk};

const SMALL: Limits = Limits {
    record_bytes: 4096,
    group_bytes: 16384,
    segment_bytes: 3000,
};

fn record(index: usize) -> Vec<u8> {
    let filler = u8::try_from(index % 250 + 1).expect("below 251");
    vec![filler; 40 + index * 37 % 400]
}

/// A journal of `count` records, one synced group each, in several segments.
fn written(count: usize) -> (SimulatedDisk, Vec<Vec<u8>>) {
    let disk = SimulatedDisk::default();
    let (mut journal, _) = Journal::open(disk.clone(), SMALL).expect("an empty disk");
    let records: Vec<_> = (0..count).map(record).collect();
    for record in &records {
        journal.append(record).expect("short");
        journal.sync().expect("a working disk");
    }
    (disk, records)
}

fn open(disk: &SimulatedDisk) -> Result<Vec<Vec<u8>>, JournalError> {
    Journal::open(disk.clone(), SMALL).map(|(_, recovered)| recovered.records)
}

fn damage(disk: &SimulatedDisk) -> Damage {
    match open(disk) {
        Err(JournalError::Damaged(damage)) => damage,
        other => panic!("expected damage, got {other:?}"),
    }
}

/// Where the last seal of a segment is: in the first sector behind its records.
fn last_seal(disk: &SimulatedDisk, name: &str) -> usize {
    written_length(disk, name) / SECTOR_BYTES * SECTOR_BYTES
}

/// Where the zeros ahead of a segment's records and its last seal begin.
fn written_length(disk: &SimulatedDisk, name: &str) -> usize {
    disk.read(name)
        .iter()
        .rposition(|byte| *byte != 0)
        .expect("it has a header")
        + 1
}

#[test]
fn any_flipped_bit_is_refused_or_harmless() {
    let (disk, records) = written(24);
    assert!(
        disk.segments().len() >= 3,
        "the test wants several segments"
    );
    let mut refused = 0;
    for name in disk.segments() {
        let until = written_length(&disk, &name) + 64;
        for bit in (0..until * 8).step_by(3) {
            let copy = disk.fork();
            copy.damage(&name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            match open(&copy) {
                Err(JournalError::Damaged(damage)) => {
                    assert_eq!(damage.file, name, "bit {bit}");
                    assert!(damage.offset <= (bit / 8) as u64, "bit {bit}: {damage}");
                    refused += 1;
                }
                Err(other) => panic!("bit {bit} of {name}: {other}"),
                Ok(read) => assert!(read == records, "bit {bit} of {name}"),
            }
        }
    }
    assert!(
        refused > 10_000,
        "most flips hit synced bytes, yet only {refused} were refused"
    );
}

#[test]
fn the_last_synced_group_is_damage_when_rotten_and_cut_when_torn() {
    let (disk, records) = written(3);
    let name = disk.segments().remove(0);
    let end = last_seal(&disk, &name);
    let rotten = disk.fork();
    rotten.damage(&name, |bytes| bytes[end - 400] ^= 1);
    let found = damage(&rotten);
    assert_eq!((found.kind, &found.file), (DamageKind::SyncedGroup, &name));

    let (mut journal, _) = Journal::open(disk.clone(), SMALL).expect("sound");
    journal.append(&[9; 3000]).expect("short");
    disk.cut_power_after(1);
    journal.sync().expect_err("the power goes after the write");
    let mut outcomes = [0; 2];
    for seed in 0..40 {
        let copy = disk.fork();
        copy.crash(&mut Chance::new(seed));
        let (_, recovered) = Journal::open(copy, SMALL).expect("torn, not damaged");
        let whole = recovered.records.len() == 4;
        outcomes[usize::from(whole)] += 1;
        assert!(recovered.records[..3] == records);
        assert!(!(whole && recovered.cut.is_some()));
    }
    assert!(outcomes[0] > 0, "no crash tore the group");
}

#[test]
fn a_synced_tail_rots_unseen_by_its_seal_and_is_still_refused() {
    let (disk, _) = written(3);
    // The power goes before the last seal reached the disk, then a bit of the last group flips.
    disk.crash_losing_all();
    let name = disk.segments().remove(0);
    let end = written_length(&disk, &name).next_multiple_of(SECTOR_BYTES);
    disk.damage(&name, |bytes| bytes[end - 400] ^= 1);
    assert_eq!(damage(&disk).kind, DamageKind::RottenTail);
}

#[test]
fn a_misdirected_sector_is_refused_at_its_source_and_at_its_target() {
    let (disk, records) = written(24);
    let mut refused = 0;
    for name in disk.segments() {
        let sectors = written_length(&disk, &name) / SECTOR_BYTES;
        let pairs = (0..sectors).flat_map(|from| (0..sectors + 2).map(move |to| (from, to)));
        // The last seal is written after all groups, over whatever went astray before.
        for (from, to) in pairs.filter(|pair| pair.1 != sectors) {
            let copy = disk.fork();
            copy.damage(&name, |bytes| {
                let sector = bytes[from * SECTOR_BYTES..][..SECTOR_BYTES].to_vec();
                bytes[from * SECTOR_BYTES..][..SECTOR_BYTES].fill(0);
                bytes[to * SECTOR_BYTES..][..SECTOR_BYTES].copy_from_slice(&sector);
            });
            match open(&copy) {
                Err(JournalError::Damaged(_)) => refused += 1,
                Err(other) => panic!("{name} {from}->{to}: {other}"),
                Ok(read) => assert!(read == records, "{name} {from}->{to}"),
            }
        }
    }
    assert!(refused > 100, "only {refused} refused");
}

#[test]
fn a_lost_segment_is_refused_wherever_it_stood() {
    let (disk, _) = written(24);
    let segments = disk.segments();
    for name in &segments[..segments.len() - 1] {
        let copy = disk.fork();
        copy.lose_file(name);
        let found = damage(&copy);
        assert_eq!(
            (found.kind, &found.file),
            (DamageKind::MissingSegment, name)
        );
    }
}

#[test]
fn a_segment_emptied_cut_or_blanked_is_refused() {
    let (disk, _) = written(24);
    for (index, name) in disk.segments().into_iter().enumerate() {
        for keep in [0, 10, 64, 512] {
            let cut = disk.fork();
            cut.damage(&name, |bytes| bytes.truncate(keep));
            let last = index + 1 == disk.segments().len();
            // All of the last segment's groups gone at once is a rollback, which no file shows.
            if !(last && keep >= 64) {
                assert_eq!(damage(&cut).file, name, "kept {keep}");
            }
        }
    }
}

#[test]
fn record_bytes_cannot_imitate_marks_of_another_salt() {
    let (disk, _) = written(1);
    let name = disk.segments().remove(0);
    let stolen = disk.read(&name);
    let fresh = SimulatedDisk::default();
    Journal::open(fresh.clone(), SMALL).expect("an empty disk");
    fresh.lose_file(&fresh.segments().remove(0));
    let (mut journal, _) = Journal::open(fresh.clone(), SMALL).expect("an empty disk");
    journal.append(b"first").expect("short");
    journal.sync().expect("a working disk");
    journal.append(&stolen[..2048]).expect("short");
    fresh.cut_power_after(1);
    journal.sync().expect_err("no power");
    for seed in 0..60 {
        let copy = fresh.fork();
        copy.crash(&mut Chance::new(seed));
        let records = open(&copy).expect("a seal inside a record proves nothing");
        assert_eq!(records[0], b"first");
    }
}

#[test]
fn a_damaged_journal_is_left_as_it_is_and_can_be_started_over() {
    let (disk, _) = written(24);
    let name = disk.segments().remove(1);
    disk.damage(&name, |bytes| bytes[700] ^= 1);
    let before: Vec<_> = disk.segments().iter().map(|name| disk.read(name)).collect();
    let text = JournalError::Damaged(damage(&disk)).to_string();
    assert!(text.contains(&name) && text.contains("abstain"), "{text}");
    let after: Vec<_> = disk.segments().iter().map(|name| disk.read(name)).collect();
    assert!(before == after, "opening a damaged journal changed it");

    let base = [b"abstaining".to_vec()];
    let mut journal = Journal::start_over(disk.clone(), SMALL, &base).expect("a working disk");
    journal.append(b"new").expect("short");
    journal.sync().expect("a working disk");
    assert_eq!(
        open(&disk).expect("sound"),
        [b"abstaining".to_vec(), b"new".to_vec()]
    );
    let aside = disk
        .names()
        .iter()
        .filter(|name| name.ends_with(".damaged"))
        .count();
    assert_eq!(aside, before.len(), "the damaged files are kept");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn scribbling_over_a_synced_journal_never_loses_or_changes_a_record_silently(
        groups in prop::collection::vec(prop::collection::vec(
            prop::collection::vec(any::<u8>(), 0..300), 1..5), 1..12),
        at in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 1..700),
        segment in any::<prop::sample::Index>(),
    ) {
        let disk = SimulatedDisk::default();
        let (mut journal, _) = Journal::open(disk.clone(), SMALL).expect("an empty disk");
        for group in &groups {
            for record in group {
                journal.append(record).expect("short");
            }
            journal.sync().expect("a working disk");
        }
        let records: Vec<_> = groups.concat();
        let segments = disk.segments();
        let name = &segments[segment.index(segments.len())];
        let until = written_length(&disk, name) + 128;
        let seal = last_seal(&disk, name);
        let (from, to) = (at.index(until), at.index(until) + noise.len());
        disk.damage(name, |bytes| {
            bytes[from..to].copy_from_slice(&noise);
        });
        match open(&disk) {
            Err(JournalError::Damaged(damage)) => prop_assert_eq!(&damage.file, name),
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
            // Only noise over both the last group and its seal can pass for a torn write.
            Ok(read) => prop_assert!(
                read == records || (from < seal && seal < to && records.starts_with(&read))
            ),
        }
    }

    #[test]
    fn a_disk_full_of_noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..2000)) {
        let (disk, _) = written(1);
        let name = disk.segments().remove(0);
        disk.damage(&name, |bytes| *bytes = noise);
        prop_assert!(matches!(open(&disk), Err(JournalError::Damaged(_))));
    }
}
