//! A state that is lost, and files that are no more what the sink knows of them.

use livecosmos::source::Pass;
use livecosmos_state::FilePosition;

use crate::harness::*;

/// What is left to the uploader when the state of site `A` is lost and the sink says how far it is stored.
fn with_state_lost(mut uploader: Uploader, ahead: Vec<FilePosition>) -> Uploader {
    let standing = uploader.durable.sites[&site("A")].clone();
    uploader.durable = Durable { has_run: false, ..Durable::default() };
    // What reading the chain back makes of it; no file is known, so that the floor is the watermark.
    let standing = Standing { ahead, floor: standing.last_data, ..standing };
    uploader.durable.sites.insert(site("A"), standing);
    uploader.take();
    uploader
}

/// Reads `old`, then `new` at the same path, loses the state, appends `more`: what is stored then.
fn after_a_rewrite_and_a_lost_state(old: &str, new: &str, more: &str) -> (Vec<String>, Pass) {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{old}"));
    let (mut source, mut uploader) = (folder.open("x.csv"), Uploader::default());
    uploader.pass(&mut source);
    let end = |uploader: &Uploader| {
        let file = &uploader.durable.files[0];
        FilePosition { file: file.file, offset: file.covered }
    };
    let mut ahead = vec![end(&uploader)];
    folder.write("x.csv", format!("{HEADER}{new}"));
    uploader.pass(&mut source);
    if uploader.batch_rows.len() > 1 {
        ahead.push(end(&uploader));
    }
    let mut uploader = with_state_lost(uploader, ahead);
    folder.append("x.csv", more);
    let mut source = folder.open("x.csv");
    let pass = uploader.pass(&mut source);
    let stored = uploader.take();
    assert_eq!(uploader.follow(&mut source), [""; 0]);
    assert_eq!(uploader.follow(&mut folder.open("x.csv")), [""; 0]);
    (stored, pass)
}

#[test]
fn a_lost_state_does_not_take_a_rewritten_file_for_the_one_that_was_stored() {
    // Shorter than the old content, as long, and longer; with rows stored since, and without any.
    for (old_end, new_minutes, more_end) in
        [(21, 100..104, 106), (5, 100..104, 110), (5, 3..5, 9), (21, 3..7, 30)]
    {
        let new = row("A", 0, 0) + &rows_of_a(new_minutes.clone());
        let more = rows_of_a(new_minutes.end..more_end);
        let (stored, pass) = after_a_rewrite_and_a_lost_state(&rows_of_a(0..old_end), &new, &more);
        let due = new_minutes.end.max(old_end)..more_end;
        assert_eq!(stored, stored_of_a(due), "old rows up to {old_end}, then {new_minutes:?}");
        assert_eq!(pass.notices.len(), 1, "{:?}", pass.notices);
        assert!(
            pass.notices[0].contains("begins as a file does whose rows are stored"),
            "{:?}",
            pass.notices
        );
    }
}

#[test]
fn a_lost_state_finds_the_place_of_another_site_in_the_rewritten_file() {
    // A stored row ends where the old one did, but it is another site's.
    let old = rows_of_a(0..3);
    let new = row("A", 0, 0) + &row("A", 3, 3) + &row("B", 2, 2) + &rows_of_a(4..5);
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{old}"));
    let mut uploader = Uploader::default();
    uploader.pass(&mut folder.open("x.csv"));
    let file = uploader.durable.files[0].clone();
    let mut uploader =
        with_state_lost(uploader, vec![FilePosition { file: file.file, offset: file.covered }]);
    folder.write("x.csv", format!("{HEADER}{new}"));
    uploader.pass(&mut folder.open("x.csv"));
    let mut stored_rows = uploader.take();
    stored_rows.sort();
    let mut expected = [stored_of_a(3..5), vec![stored("B", 2, 2)]].concat();
    expected.sort();
    assert_eq!(stored_rows, expected);
}

#[test]
fn a_lost_state_goes_on_exactly_where_the_sink_ends_if_the_file_is_the_same() {
    let folder = Folder::new();
    // The clock falls back: times tell nothing.
    folder.write("x.csv", format!("{HEADER}{}{}", rows_of_a(5..9), rows_of_a(0..2)));
    let mut uploader = Uploader::default();
    uploader.pass(&mut folder.open("x.csv"));
    let file = uploader.durable.files[0].clone();
    let mut uploader =
        with_state_lost(uploader, vec![FilePosition { file: file.file, offset: file.covered }]);
    uploader.durable.sites.get_mut(&site("A")).unwrap().floor = None;
    folder.append("x.csv", rows_of_a(2..4));
    let pass = uploader.pass(&mut folder.open("x.csv"));
    assert_eq!(uploader.take(), stored_of_a(2..4));
    assert_eq!(pass.notices, [""; 0]);
    assert_eq!(uploader.durable.files[0].file, file.file);
}

#[test]
fn a_last_row_without_a_line_end_is_known_again_before_and_after_the_line_end_comes() {
    let folder = Folder::new();
    let text = format!("{HEADER}{}", rows_of_a(0..3));
    folder.write("x.csv.gz", gzipped(text.trim_end().as_bytes()));
    let mut uploader = Uploader::default();
    assert_eq!(uploader.follow(&mut folder.open("x.csv*")), stored_of_a(0..3));
    let file = uploader.durable.files[0].clone();
    let mut uploader =
        with_state_lost(uploader, vec![FilePosition { file: file.file, offset: file.covered }]);
    uploader.durable.sites.get_mut(&site("A")).unwrap().floor = None;
    folder.remove("x.csv.gz");
    folder.write("x.csv", text.trim_end());
    let mut source = folder.open("x.csv*");
    assert_eq!(uploader.follow(&mut source), [""; 0]);
    folder.append("x.csv", format!("\n{}", rows_of_a(3..4)));
    assert_eq!(uploader.follow(&mut source), stored_of_a(3..4));
    assert_eq!(uploader.durable.files[0].file, file.file, "it is the same file still");
}
