//! Files that are renamed, copied, truncated, rewritten, compressed.

use livecosmos::source::{FileOrigin, SourceError};

use crate::harness::*;

#[test]
fn a_renamed_file_is_followed_to_its_end_before_the_new_one() {
    for name in ["x.csv.1", "x.csv-20250101"] {
        for is_restarted in [false, true] {
            let folder = Folder::new();
            let (mut source, mut uploader) = begun(&folder);
            folder.append("x.csv", rows_of_a(10..13));
            folder.rename("x.csv", name);
            folder.write("x.csv", format!("{HEADER}{}", rows_of_a(13..15)));
            if is_restarted {
                source = folder.open("x.csv");
            }
            assert_eq!(uploader.follow(&mut source), stored_of_a(10..15));
            assert_eq!(uploader.origins, [FileOrigin::Appeared, FileOrigin::Appeared]);
            assert_eq!(uploader.pass(&mut source).bytes_read, 0);

            // The writer had not closed it yet.
            folder.append(name, rows_of_a(15..16));
            folder.append("x.csv", rows_of_a(16..17));
            assert_eq!(uploader.follow(&mut source), stored_of_a(15..17));
        }
    }
}

#[test]
fn rotation_goes_on_over_several_names() {
    let folder = Folder::new();
    let (mut source, mut uploader) = begun(&folder);
    let mut all = Vec::new();
    for round in 1..5 {
        for old in (1..round).rev() {
            folder.rename(&format!("x.csv.{old}"), &format!("x.csv.{}", old + 1));
        }
        folder.append("x.csv", rows_of_a(round * 10..round * 10 + 5));
        folder.rename("x.csv", "x.csv.1");
        folder.write("x.csv", format!("{HEADER}{}", rows_of_a(round * 10 + 5..round * 10 + 10)));
        all.extend(uploader.follow(&mut source));
    }
    assert_eq!(all, stored_of_a(10..50));
    assert_eq!(uploader.durable.files.len(), 5);
}

#[test]
fn a_file_that_is_copied_and_then_truncated_loses_and_doubles_nothing() {
    for is_restarted in [false, true] {
        let folder = Folder::new();
        let (mut source, mut uploader) = begun(&folder);
        folder.append("x.csv", rows_of_a(10..13));
        folder.copy("x.csv", "x.csv.1");
        folder.write("x.csv", "");
        if is_restarted {
            source = folder.open("x.csv");
        }
        assert_eq!(uploader.follow(&mut source), stored_of_a(10..13), "the copy holds what was not read yet");
        folder.append("x.csv", format!("{HEADER}{}", rows_of_a(13..30)));
        assert_eq!(uploader.follow(&mut source), stored_of_a(13..30));
        assert_eq!(uploader.origins, [FileOrigin::Appeared, FileOrigin::Appeared]);
        // A clock that fell back meanwhile.
        folder.append("x.csv", rows_of_a(2..3));
        assert_eq!(uploader.follow(&mut source), stored_of_a(2..3));
    }
}

#[test]
fn a_rotated_file_that_is_compressed_is_the_same_file() {
    let folder = Folder::new();
    let (mut source, mut uploader) = begun(&folder);
    folder.append("x.csv", rows_of_a(10..13));
    folder.rename("x.csv", "x.csv.1");
    folder.gzip("x.csv.1");
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(13..15)));
    assert_eq!(uploader.follow(&mut source), stored_of_a(10..15));
    assert_eq!(uploader.pass(&mut source).bytes_read, 0);
    assert_eq!(uploader.follow(&mut folder.open("x.csv")), [""; 0]);
}

#[test]
fn with_a_pattern_that_matches_rotated_files_too_each_row_is_given_once() {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(0..10)));
    let (mut source, mut uploader) = (folder.open("x.csv*"), Uploader::default());
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..10));
    folder.append("x.csv", rows_of_a(10..12));
    folder.rename("x.csv", "x.csv.1");
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(12..14)));
    assert_eq!(uploader.follow(&mut source), stored_of_a(10..14));
    // Compression has begun: both forms are there, the new one not whole.
    let whole = gzipped(&content(&folder.path("x.csv.1")));
    folder.write("x.csv.1.gz", &whole[..whole.len() / 2]);
    assert_eq!(uploader.follow(&mut source), [""; 0]);
    folder.write("x.csv.1.gz", &whole);
    assert_eq!(uploader.follow(&mut source), [""; 0]);
    folder.remove("x.csv.1");
    assert_eq!(uploader.follow(&mut source), [""; 0]);
    assert_eq!(uploader.follow(&mut folder.open("x.csv*")), [""; 0]);
    assert_eq!(uploader.durable.files.len(), 2);
}

#[test]
fn a_gzip_file_that_is_still_being_written_gives_its_complete_rows() {
    let folder = Folder::new();
    let text = format!("{HEADER}{}", rows_of_a(0..1000));
    let whole = gzipped(text.trim_end().as_bytes());
    let (mut source, mut uploader) = (folder.open("x.csv.gz"), Uploader::default());
    let mut all = Vec::new();
    for part in 1..=8 {
        folder.write("x.csv.gz", &whole[..whole.len() * part / 8]);
        all.extend(uploader.follow(&mut source));
    }
    assert_eq!(all, stored_of_a(0..1000), "its last row has no line end and is whole all the same");
    // Another member is appended, as `gzip >>` does.
    folder.append("x.csv.gz", gzipped(format!("\n{}", rows_of_a(1000..1010)).as_bytes()));
    assert_eq!(uploader.follow(&mut source), stored_of_a(1000..1010));
}

#[test]
fn damaged_gzip_is_said_and_its_good_rows_are_given_once() {
    let folder = Folder::new();
    let mut bytes = gzipped(format!("{HEADER}{}", rows_of_a(0..100)).as_bytes());
    bytes.extend_from_slice(b"\x1f\x8bnonsense that is no gzip member at all");
    folder.write("x.csv.gz", bytes);
    let (mut source, mut uploader) = (folder.open("x.csv.gz"), Uploader::default());
    for _ in 0..2 {
        let error = uploader.try_pass(&mut source).unwrap_err();
        assert!(matches!(error, SourceError::Unavailable(_)), "{error:?}");
        assert!(error.to_string().contains("its compressed data is damaged"), "{error}");
    }
    assert_eq!(uploader.take(), stored_of_a(0..100));
}

#[test]
fn a_truncated_file_starts_again_and_repeats_nothing_up_to_the_watermark() {
    let folder = Folder::new();
    let (mut source, mut uploader) = begun(&folder);
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(8..12)));
    let pass = uploader.pass(&mut source);
    assert_eq!(uploader.take(), stored_of_a(10..12));
    assert_eq!(uploader.origins, [FileOrigin::Appeared, FileOrigin::Replaced]);
    assert_eq!(pass.notices.len(), 1, "{:?}", pass.notices);
    let read = HEADER.len() + rows_of_a(0..10).len();
    let expected = format!("was replaced while not watched; rows after byte {read} of the old file");
    assert!(pass.notices[0].contains(&expected), "{:?}", pass.notices);
    // What is written from now on is due whatever its time, behind what the old file reached.
    folder.append("x.csv", rows_of_a(12..20));
    assert_eq!(uploader.follow(&mut source), stored_of_a(12..20));
    folder.append("x.csv", rows_of_a(0..1));
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..1));
}

#[test]
fn a_file_rewritten_with_the_same_first_row_is_not_taken_for_the_old_one() {
    for is_restarted in [false, true] {
        let folder = Folder::new();
        let (mut source, mut uploader) = begun(&folder);
        let old = uploader.durable.files[0].file;
        // Longer than the old one, so that only its content tells.
        let rewritten: String =
            (0..20).map(|minute| row("A", minute, minute + 1000 * u32::from(minute > 0))).collect();
        folder.write("x.csv", format!("{HEADER}{rewritten}"));
        if is_restarted {
            source = folder.open("x.csv");
        }
        let pass = uploader.pass(&mut source);
        let expected: Vec<String> = (10..20).map(|minute| stored("A", minute, minute + 1000)).collect();
        assert_eq!(uploader.take(), expected);
        assert_eq!(uploader.origins, [FileOrigin::Appeared, FileOrigin::Replaced]);
        assert_eq!(uploader.durable.files.len(), 1);
        assert_ne!(
            uploader.durable.files[0].file, old,
            "positions in the old content mean nothing in the new"
        );
        assert!(pass.notices[0].contains("was rewritten in place"), "{:?}", pass.notices);
        assert_eq!(uploader.follow(&mut folder.open("x.csv")), [""; 0]);
    }
}

#[test]
fn a_file_rewritten_over_and_over_is_a_new_one_each_time() {
    let folder = Folder::new();
    let (mut source, mut uploader) = begun(&folder);
    let mut ids = vec![uploader.durable.files[0].file];
    for round in 1..5_u32 {
        let minutes = 0..10 + round;
        let rows: String =
            minutes.map(|minute| row("A", minute, minute + round * u32::from(minute > 0))).collect();
        folder.write("x.csv", format!("{HEADER}{rows}"));
        assert_eq!(uploader.follow(&mut source), [stored("A", 9 + round, 9 + 2 * round)]);
        ids.push(uploader.durable.files[0].file);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn a_file_written_anew_with_the_same_rows_and_more_is_the_same_file() {
    let folder = Folder::new();
    let (mut source, mut uploader) = begun(&folder);
    // Seen half-way, and then whole.
    folder.write("y.csv", format!("{HEADER}{}", rows_of_a(0..12)));
    folder.rename("y.csv", "x.csv");
    assert_eq!(uploader.follow(&mut source), stored_of_a(10..12));
    assert_eq!(uploader.origins, [FileOrigin::Appeared]);
}

#[test]
fn a_rewrite_that_is_seen_half_way_repeats_nothing() {
    let folder = Folder::new();
    let (mut source, mut uploader) = begun(&folder);
    for end in 1..13 {
        folder.write("x.csv", format!("{HEADER}{}", rows_of_a(0..end)));
        uploader.pass(&mut source);
    }
    assert_eq!(uploader.take(), stored_of_a(10..12));
}

#[test]
fn another_file_in_the_place_of_a_lost_one_starts_at_the_watermark() {
    let folder = Folder::new();
    let (_, mut uploader) = begun(&folder);
    folder.remove("x.csv");
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(5..15)));
    let pass = uploader.pass(&mut folder.open("x.csv"));
    assert_eq!(uploader.take(), stored_of_a(10..15));
    assert!(pass.notices[0].contains("was replaced while not watched"), "{:?}", pass.notices);
    assert_eq!(uploader.durable.files.len(), 1);
}

#[test]
fn a_file_deleted_under_the_reader_is_read_to_its_end_first() {
    let folder = Folder::new();
    let (mut source, mut uploader) = begun(&folder);
    folder.append("x.csv", rows_of_a(10..13));
    folder.remove("x.csv");
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(12..15)));
    assert_eq!(uploader.follow(&mut source), stored_of_a(10..13));
    let pass = uploader.pass(&mut source);
    assert_eq!(uploader.take(), stored_of_a(13..15));
    assert!(pass.notices[0].contains("the old file was read to its end"), "{:?}", pass.notices);
    assert_eq!(uploader.durable.files.len(), 1);
    assert_eq!(uploader.pass(&mut source).bytes_read, 0);
}

/// A file of which site `B` cannot be stored was deleted, and another lies in its place.
fn replaced_while_a_site_fails(folder: &Folder) -> (livecosmos::source::csv::CsvSource, Uploader) {
    folder.write("x.csv", format!("{HEADER}{}{}", rows_of_a(0..2), row("B", 0, 0)));
    let (mut source, mut uploader) = (folder.open("x.csv"), Uploader::default());
    uploader.failing = Some(site("B"));
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..2));
    folder.remove("x.csv");
    folder.write("x.csv", format!("{HEADER}{}{}", rows_of_a(2..4), row("B", 1, 1)));
    (source, uploader)
}

#[test]
fn a_site_that_fails_does_not_keep_the_others_from_the_file_that_replaced_its_own() {
    let folder = Folder::new();
    let (mut source, mut uploader) = replaced_while_a_site_fails(&folder);
    let pass = uploader.pass(&mut source);
    assert_eq!(uploader.take(), stored_of_a(2..4));
    assert_eq!(pass.notices.len(), 1, "{:?}", pass.notices);
    assert!(pass.notices[0].contains("is kept open until all of its rows are stored"), "{:?}", pass.notices);
    // The next replacement finds the first file still waiting.
    uploader.pass(&mut source);
    folder.remove("x.csv");
    folder.write("x.csv", format!("{HEADER}{}{}", rows_of_a(4..6), row("B", 2, 2)));
    assert_eq!(uploader.follow(&mut source), stored_of_a(4..6));
    assert_eq!(uploader.durable.files.len(), 3);

    uploader.failing = None;
    assert_eq!(uploader.follow(&mut source), [stored("B", 0, 0), stored("B", 1, 1), stored("B", 2, 2)]);
    folder.append("x.csv", rows_of_a(6..7));
    assert_eq!(uploader.follow(&mut source), stored_of_a(6..7));
    assert_eq!(uploader.pass(&mut source).bytes_read, 0);
}

#[test]
fn reading_some_sites_goes_on_in_the_file_that_replaced_theirs() {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(0..2)));
    let (mut source, mut uploader) = (folder.open("x.csv"), Uploader::default());
    uploader.only = Some(std::collections::BTreeSet::from([site("A")]));
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..2));
    folder.remove("x.csv");
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(2..4)));
    assert_eq!(uploader.follow(&mut source), stored_of_a(2..4));
}

#[test]
fn a_file_moved_far_away_under_the_reader_is_read_to_its_end() {
    let folder = Folder::new();
    let (mut source, mut uploader) = begun(&folder);
    folder.append("x.csv", rows_of_a(10..13));
    folder.rename("x.csv", "archive.csv");
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(2..4)));
    assert_eq!(uploader.follow(&mut source), [stored_of_a(10..13), stored_of_a(2..4)].concat());
    assert_eq!(uploader.origins, [FileOrigin::Appeared, FileOrigin::Appeared]);
}

#[test]
fn a_site_that_recovers_does_not_repeat_what_the_new_file_has_of_the_old_one() {
    for is_crashed in [false, true] {
        let mut folder = Folder::new();
        folder.shape.limits.batch_rows_max = 2;
        let rows_of_b = |minutes: std::ops::Range<u32>| {
            minutes.map(|minute| row("B", minute, minute)).collect::<String>()
        };
        folder.write("x.csv", format!("{HEADER}{}{}", rows_of_a(0..2), rows_of_b(0..4)));
        let (mut source, mut uploader) = (folder.open("x.csv"), Uploader::default());
        uploader.failing = Some(site("B"));
        uploader.pass(&mut source);
        folder.remove("x.csv");
        folder.write("x.csv", format!("{HEADER}{}{}", rows_of_a(1..4), rows_of_b(2..6)));
        assert_eq!(uploader.follow(&mut source), [stored_of_a(0..2), stored_of_a(2..4)].concat());
        uploader.failing = None;
        if is_crashed {
            // Between the old file's rows and the new one's.
            uploader.batches_until_crash = Some(2);
            uploader.try_pass(&mut source).unwrap_err();
            uploader.batches_until_crash = None;
            source = folder.open("x.csv");
        }
        uploader.pass(&mut source);
        let expected: Vec<String> = (0..6).map(|minute| stored("B", minute, minute)).collect();
        assert_eq!(uploader.take(), expected, "crashed: {is_crashed}");
        assert_eq!(uploader.follow(&mut source), [""; 0]);
    }
}
