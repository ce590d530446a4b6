//! Truncations and flipped bits of a state file of 50 sites on a disk, and files made to do harm.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::sync::Arc;

use livecosmos_state::*;
use support::frames::{Header, frame};
use support::sample::{self, file, files_of, open};
use support::sim::{Image, SimDisk};

const PRIMARY: &str = "LEVEL1_SOILMET_30MIN.state";
const BACKUP: &str = "LEVEL1_SOILMET_30MIN.state.backup";

/// Of a site of which nothing is stored: three times, three chains of four fields each, three lists.
const SITE_BYTES_AFTER_ID: usize = 3 + 3 * 4 + 3;

struct Lab {
    dir: tempfile::TempDir,
    wanted: State,
    whole: Vec<u8>,
}

fn lab() -> Lab {
    let wanted = sample::state_of(50);
    let whole = files_of(&wanted);
    Lab { dir: sample::state_dir(), wanted, whole }
}

impl Lab {
    /// Opens a disk with these two files.
    fn open(&self, primary: Option<&[u8]>, backup: Option<&[u8]>) -> (SimDisk, Result<Opened, OpenError>) {
        let mut image = Image::empty_dir();
        for (name, bytes) in [(PRIMARY, primary), (BACKUP, backup)] {
            if let Some(bytes) = bytes {
                image.put(name, bytes);
            }
        }
        let sim = SimDisk::new(image);
        let opened = sample::open_on(Arc::new(sim.clone()), &self.dir.path().join("state"));
        (sim, opened)
    }

    /// A damaged file alone is refused as corrupt; beside a whole one it is rescued and mended.
    fn assert_refused_and_rescued(&self, damaged: &[u8], what: &str) {
        let (sim, alone) = self.open(Some(damaged), None);
        assert!(matches!(alone, Err(OpenError::Corrupt { .. })), "{what}: {alone:?}");
        assert_eq!(sim.image().read(PRIMARY), Some(damaged), "{what}");
        let (sim, beside) = self.open(Some(damaged), Some(&self.whole));
        let opened = beside.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(matches!(opened.origin, Origin::Backup { .. }), "{what}");
        assert!(*opened.store.state() == self.wanted, "{what}");
        assert!(sim.image().read(PRIMARY) == Some(&self.whole), "{what}");
    }
}

#[test]
fn a_truncated_state_file_is_refused_alone_and_rescued_beside_a_whole_one() {
    let lab = lab();
    // All of the header and of what follows it, then every seventh; `load` tests each one of them.
    for length in (0..200).chain((200..lab.whole.len()).step_by(7)) {
        lab.assert_refused_and_rescued(&lab.whole[..length], &format!("{length} bytes"));
    }
}

#[test]
fn a_state_file_with_a_flipped_bit_is_refused_alone_and_rescued_beside_a_whole_one() {
    let lab = lab();
    let mut damaged = lab.whole.clone();
    // All of the header and of what follows it, then some of each byte; `load` tests each one of them.
    for bit in (0..100 * 8).chain((100 * 8..lab.whole.len() * 8).step_by(37)) {
        damaged[bit / 8] ^= 1 << (bit % 8);
        lab.assert_refused_and_rescued(&damaged, &format!("bit {bit}"));
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_state_file_with_a_byte_too_many_is_refused() {
    let lab = lab();
    let longer = [lab.whole.as_slice(), b"\0"].concat();
    lab.assert_refused_and_rescued(&longer, "one byte more");
}

#[test]
fn a_whole_frame_around_a_wrong_payload_is_refused() {
    let lab = lab();
    let payload = &lab.whole[72..];
    let trailing = [payload, b"\0"].concat();
    lab.assert_refused_and_rescued(&frame(&Header::default(), &trailing), "a byte after the record");
    lab.assert_refused_and_rescued(&frame(&Header::default(), &payload[..payload.len() - 1]), "a byte short");
    lab.assert_refused_and_rescued(
        &frame(&Header::default(), b"\x03A/B\0\0\0\0\0\0\0\0"),
        "a wrong table name",
    );
    lab.assert_refused_and_rescued(&frame(&Header { major: 0, ..Header::default() }, payload), "format 0");
}

#[test]
fn a_state_of_the_last_generation_is_read_and_written() {
    let lab = lab();
    let last = frame(&Header { generation: u64::MAX, ..Header::default() }, &lab.whole[72..]);
    let (_, opened) = lab.open(Some(&last), None);
    let mut store = opened.unwrap().store;
    assert_eq!(store.commit(|_| {}).unwrap(), u64::MAX);
    assert!(*store.state() == lab.wanted);
}

#[test]
fn a_site_twice_or_out_of_order_is_refused() {
    let lab = lab();
    let site = |id: u8| [&[1, id][..], &[0; SITE_BYTES_AFTER_ID]].concat();
    let payload = |ids: [u8; 2]| {
        let table = [&[20][..], sample::table().as_str().as_bytes()].concat();
        let counts = [&[2][..], &[0; 2 * 3]].concat();
        [table, vec![0, 0, 0, 0, 0, 2], site(ids[0]), site(ids[1]), vec![0], counts].concat()
    };
    let (_, right) = lab.open(Some(&frame(&Header::default(), &payload(*b"AB"))), None);
    assert_eq!(right.unwrap().store.state().sites.len(), 2);
    lab.assert_refused_and_rescued(&frame(&Header::default(), &payload(*b"BA")), "out of order");
    lab.assert_refused_and_rescued(&frame(&Header::default(), &payload(*b"AA")), "twice");
}

#[test]
fn a_fill_twice_or_out_of_order_is_refused() {
    let lab = lab();
    // Name, kind, since, after, until, two ends of its window, and a chain of four fields.
    let fill = |name: u8| [&[1, name][..], &[0; 1 + 2 + 1 + 1 + 2 + 4]].concat();
    let payload = |names: [u8; 2]| {
        let table = [&[20][..], sample::table().as_str().as_bytes(), &[0, 0, 0, 0, 0]].concat();
        let site = [&[1, 1, b'S'][..], &[0; SITE_BYTES_AFTER_ID - 1], &[2]].concat();
        [table, site, fill(names[0]), fill(names[1]), vec![0], vec![1, 0, 0, 0]].concat()
    };
    let (_, right) = lab.open(Some(&frame(&Header::default(), &payload(*b"ab"))), None);
    assert_eq!(right.unwrap().store.state().sites.values().next().unwrap().fills.len(), 2);
    lab.assert_refused_and_rescued(&frame(&Header::default(), &payload(*b"ba")), "out of order");
    lab.assert_refused_and_rescued(&frame(&Header::default(), &payload(*b"aa")), "twice");
}

#[test]
fn counts_of_more_or_fewer_sites_than_there_are_are_refused() {
    let lab = lab();
    let payload = |counts: &[u8]| {
        let table = [&[20][..], sample::table().as_str().as_bytes(), &[0, 0, 0, 0, 0]].concat();
        let site = [&[1, 1, b'S'][..], &[0; SITE_BYTES_AFTER_ID]].concat();
        [table, site, vec![0], counts.to_vec()].concat()
    };
    let (_, right) = lab.open(Some(&frame(&Header::default(), &payload(&[1, 7, 8, 9]))), None);
    let expected = Tally { rows: 7, late: 8, resent: 9 };
    assert_eq!(right.unwrap().store.state().sites.values().next().unwrap().sent, expected);
    for counts in [&[0][..], &[2, 7, 8, 9, 7, 8, 9]] {
        lab.assert_refused_and_rescued(&frame(&Header::default(), &payload(counts)), "counts");
    }
}

/// Address space this process ever used, `proc_pid_status(5)`.
fn address_space_peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmPeak")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_small_file_that_claims_8_gib_is_refused_without_allocating_them() {
    let lab = lab();
    let claim = |bytes: u64| [&[253][..], &bytes.to_le_bytes()].concat();
    let before = address_space_peak_kib();
    for bytes in [8 << 30, 1 << 27, u64::MAX] {
        let text = frame(&Header::default(), &claim(bytes));
        let table = [&[20][..], sample::table().as_str().as_bytes()].concat();
        let sites = frame(&Header::default(), &[table, vec![0, 0, 0, 0, 0], claim(bytes)].concat());
        for bomb in [text, sites] {
            lab.assert_refused_and_rescued(&bomb, &format!("a claim of {bytes} bytes"));
        }
    }
    let grown_kib = address_space_peak_kib() - before;
    assert!(grown_kib < 1 << 20, "{grown_kib} KiB were allocated");
}

#[test]
fn a_file_longer_than_the_format_allows_is_not_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let long = fs::File::create(file(dir.path(), ".state")).unwrap();
    long.set_len(1 << 40).unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), OpenError::Corrupt { .. }));
}
