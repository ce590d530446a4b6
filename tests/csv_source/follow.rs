//! A file that grows, and passes that are interrupted.

use std::collections::BTreeSet;

use livecosmos::source::{FileOrigin, SiteRule, SourceError};
use livecosmos_state::{FilePosition, Time};

use crate::harness::*;

#[test]
fn only_what_was_appended_is_given_and_a_poll_after_nothing_reads_nothing() {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(0..500)));
    let (mut source, mut uploader) = (folder.open("x.csv"), Uploader::default());
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..500));
    for _ in 0..3 {
        let pass = uploader.pass(&mut source);
        assert_eq!((pass.bytes_read, pass.rows_read), (0, 0));
        assert_eq!(pass.files, uploader.durable.files);
    }
    folder.append("x.csv", rows_of_a(500..503));
    assert_eq!(uploader.follow(&mut source), stored_of_a(500..503));
    assert_eq!(uploader.pass(&mut source).bytes_read, 0);
}

#[test]
fn what_a_poll_reads_does_not_grow_with_the_file() {
    let folder = Folder::new();
    folder.write("x.csv", HEADER);
    for minute in 0..1440 {
        folder.append("x.csv", (0..20).map(|_| row("A", minute, minute)).collect::<String>());
    }
    let (mut source, mut uploader) = (folder.open("x.csv"), Uploader::default());
    uploader.pass(&mut source);
    folder.append("x.csv", row("A", 1, 1));
    let bytes = uploader.pass(&mut source).bytes_read;
    assert!(bytes < 10_000, "{bytes} bytes were read for one row of 25");
}

#[test]
fn another_process_goes_on_where_the_state_says() {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(0..3)));
    let mut uploader = Uploader::default();
    assert_eq!(uploader.follow(&mut folder.open("x.csv")), stored_of_a(0..3));
    folder.append("x.csv", rows_of_a(3..5));
    assert_eq!(uploader.follow(&mut folder.open("x.csv")), stored_of_a(3..5));
    assert_eq!(uploader.follow(&mut folder.open("x.csv")), [""; 0]);
    assert_eq!(uploader.origins, [FileOrigin::Appeared]);
}

#[test]
fn an_unfinished_last_line_is_held_back_and_said_once() {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{}A,2025-01-01T00:01:00Z,1", row("A", 0, 0)));
    let (mut source, mut uploader) = (folder.open("x.csv"), Uploader::default());
    let pass = uploader.pass(&mut source);
    assert_eq!(uploader.take(), stored_of_a(0..1));
    let offset = HEADER.len() + row("A", 0, 0).len();
    assert_eq!(
        pass.notices,
        [format!(
            "{}: the last line, at byte {offset}, is unfinished; it is held back until its line end comes",
            folder.path("x.csv").display()
        )]
    );
    let again = uploader.pass(&mut source);
    assert_eq!((again.notices.len(), again.bytes_read), (0, 0));
    folder.append("x.csv", "2\n");
    assert_eq!(uploader.follow(&mut source), ["A 2025-01-01T00:01:00Z 12"]);
    folder.append("x.csv", "A,2025-01-01T00:02:00Z");
    assert_eq!(
        uploader.pass(&mut source).notices,
        [""; 0],
        "a logger that writes in pieces is not news twice"
    );
}

#[test]
fn a_file_without_a_complete_first_row_waits() {
    let folder = Folder::new();
    let (mut source, mut uploader) = (folder.open("x.csv"), Uploader::default());
    folder.write("x.csv", "");
    uploader.pass(&mut source);
    for piece in ["SITE,TI", "ME,V\r", "\n", "A,2025-01-01T00:00:00Z", ",0"] {
        folder.append("x.csv", piece);
        let pass = uploader.pass(&mut source);
        assert_eq!(pass.files, []);
        assert_eq!(uploader.pass(&mut source).bytes_read, 0);
    }
    folder.append("x.csv", "\n");
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..1));
}

#[test]
fn late_rows_and_clocks_that_fall_back_are_rows_like_any_other() {
    let folder = Folder::new();
    let minutes = [5, 6, 7, 1, 1, 2, 0, 7];
    folder.write("x.csv", HEADER);
    let (mut source, mut uploader) = (folder.open("x.csv"), Uploader::default());
    let mut all = Vec::new();
    for minute in minutes {
        folder.append("x.csv", row("A", minute, minute));
        all.extend(uploader.follow(&mut source));
    }
    let expected: Vec<String> = minutes.iter().map(|minute| stored("A", *minute, minute)).collect();
    assert_eq!(all, expected);
}

#[test]
fn a_toa5_file_whose_clock_falls_back_and_repeats_itself_gives_every_row_once() {
    let mut folder = Folder::new();
    folder.shape.site = SiteRule::Template("{station}".to_owned());
    folder.shape.time_column = "TIMESTAMP".to_owned();
    let header = "\"TOA5\",\"PWS_002\",\"CR1000X\",\"23195\",\"Std.05\",\"CPU:a.CR1X\",\"15650\",\"Met\"\r\n\
                  \"TIMESTAMP\",\"RECORD\",\"TA\"\r\n\"TS\",\"RN\",\"W/m\u{b2}\"\r\n\"\",\"\",\"Avg\"\r\n";
    // Latin-1 units are common and of no matter to the rows.
    let mut bytes: Vec<u8> = header.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let (mut source, mut uploader) = (folder.open("x.dat"), Uploader::default());
    let (mut expected, mut all) = (Vec::new(), Vec::new());
    for record in 0..300_u32 {
        let year = match record {
            0..100 => 2024,
            100..200 => 2010,
            _ => 1990,
        };
        // Within each of three spells 70 stamps stand still.
        let minute = (record % 100).min(30);
        let value = if record % 7 == 0 { "\"NAN\"".to_owned() } else { format!("{record}.50") };
        let stamp = format!("{year}-03-07 16:{minute:02}:00");
        bytes.extend_from_slice(format!("\"{stamp}\",{record},{value}\r\n").as_bytes());
        let shown = if record % 7 == 0 { "null".to_owned() } else { value };
        expected.push(format!("PWS_002 {}Z {record}|{shown}", stamp.replace(' ', "T")));
        // Written as the logger does: in pieces that end anywhere.
        let cut = bytes.len() * 2 / 3;
        folder.append("x.dat", bytes.drain(..cut).collect::<Vec<u8>>());
        all.extend(uploader.follow(&mut source));
    }
    folder.append("x.dat", bytes);
    all.extend(uploader.follow(&mut source));
    assert_eq!(all, expected);
    assert_eq!(uploader.rejects, []);
}

#[test]
fn a_site_that_is_ahead_skips_only_its_own_rows() {
    let folder = Folder::new();
    folder.write(
        "x.csv",
        format!("{HEADER}{}{}{}{}", row("A", 0, 0), row("B", 0, 0), row("A", 1, 1), row("B", 1, 1)),
    );
    let mut uploader = Uploader::default();
    uploader.batches_until_crash = Some(1);
    let error = uploader.try_pass(&mut folder.open("x.csv")).unwrap_err();
    assert!(matches!(error, SourceError::Stopped(_)));
    assert_eq!(uploader.take(), [stored("A", 0, 0), stored("A", 1, 1)]);
    uploader.batches_until_crash = None;
    assert_eq!(uploader.follow(&mut folder.open("x.csv")), [stored("B", 0, 0), stored("B", 1, 1)]);
}

#[test]
fn a_paused_site_holds_up_no_other_and_is_read_again_when_it_recovers() {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{}{}", row("A", 0, 0), row("B", 0, 0)));
    let (mut source, mut uploader) = (folder.open("x.csv"), Uploader::default());
    uploader.paused = BTreeSet::from([site("A")]);
    let pass = uploader.pass(&mut source);
    assert_eq!(uploader.take(), [stored("B", 0, 0)]);
    assert_eq!(covered(&pass.files[0]), HEADER.len(), "nothing behind a row passed over is covered");

    // Even an uploader that forgets that it is behind loses nothing.
    uploader.durable.files.clone_from(&pass.files);
    uploader.behind = false;
    folder.append("x.csv", row("B", 1, 1));
    let pass = uploader.pass(&mut source);
    assert_eq!(uploader.take(), [stored("B", 1, 1)]);
    assert_eq!(covered(&pass.files[0]), HEADER.len());

    uploader.paused.clear();
    uploader.behind = true;
    assert_eq!(uploader.follow(&mut source), [stored("A", 0, 0)]);
    assert_eq!(covered(&uploader.durable.files[0]), content(&folder.path("x.csv")).len());
}

#[test]
fn a_site_that_failed_is_read_again_from_what_is_covered() {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{}{}{}", row("A", 0, 0), row("B", 0, 0), row("A", 1, 1)));
    let (mut source, mut uploader) = (folder.open("x.csv"), Uploader::default());
    uploader.failing = Some(site("A"));
    assert_eq!(uploader.follow(&mut source), [stored("B", 0, 0)]);
    uploader.failing = None;
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..2));
    assert_eq!(uploader.follow(&mut source), [""; 0]);
}

#[test]
fn reading_some_sites_covers_nothing_for_the_others() {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{}{}A,x,1\n,x,1\n", row("A", 0, 0), row("B", 0, 0)));
    let mut uploader = Uploader::default();
    let mut source = folder.open("x.csv");
    uploader.only = Some(BTreeSet::from([site("A")]));
    let pass = uploader.pass(&mut source);
    assert_eq!(uploader.take(), [stored("A", 0, 0)]);
    assert_eq!(uploader.asked, [site("A")], "a site not wanted is not even looked up");
    assert_eq!(covered(&pass.files[0]), HEADER.len());
    assert_eq!(uploader.rejects.len(), 1, "a line without a site is left to a pass over all");
    assert_eq!(uploader.pass(&mut source).bytes_read, 0);

    uploader.only = None;
    assert_eq!(uploader.follow(&mut source), [stored("B", 0, 0)]);
    assert_eq!(uploader.rejects.len(), 3);
}

#[test]
fn only_the_configured_sites_are_read() {
    let mut folder = Folder::new();
    folder.shape.sites = Some(BTreeSet::from([site("B")]));
    folder.write("x.csv", format!("{HEADER}{}{}", row("A", 0, 0), row("B", 0, 0)));
    let mut uploader = Uploader::default();
    assert_eq!(uploader.follow(&mut folder.open("x.csv")), [stored("B", 0, 0)]);
    assert_eq!(covered(&uploader.durable.files[0]), content(&folder.path("x.csv")).len());
}

#[test]
fn a_first_run_passes_over_what_is_older_than_its_floor_and_nothing_written_later() {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(0..4)));
    let mut uploader = Uploader::default();
    uploader.durable.has_run = false;
    uploader.durable.floor = Some(Time::new(1_735_689_600 + 60, 0).unwrap());
    let mut source = folder.open("x.csv");
    assert_eq!(uploader.follow(&mut source), stored_of_a(2..4));
    assert_eq!(uploader.origins, [FileOrigin::FirstRun]);
    // Late, but written after the first run.
    folder.append("x.csv", rows_of_a(0..1));
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..1));
}

#[test]
fn a_first_run_over_gzip_applies_its_floor_to_all_that_the_file_holds() {
    let folder = Folder::new();
    folder.write("x.csv.gz", gzipped(format!("{HEADER}{}", rows_of_a(0..400)).as_bytes()));
    let mut uploader = Uploader::default();
    uploader.durable.has_run = false;
    uploader.durable.floor = Some(Time::new(1_735_689_600 + 398 * 60, 0).unwrap());
    assert_eq!(uploader.follow(&mut folder.open("x.csv.gz")), stored_of_a(399..400));
}

#[test]
fn every_file_is_registered_before_the_first_row_is_given() {
    let folder = Folder::new();
    for name in ["a", "b", "c"] {
        folder.write(&format!("{name}.csv"), format!("{HEADER}{}", row(&name.to_uppercase(), 0, 0)));
    }
    let mut uploader = Uploader::default();
    uploader.durable.has_run = false;
    uploader.batches_until_crash = Some(0);
    uploader.try_pass(&mut folder.open("*.csv")).unwrap_err();
    assert_eq!(uploader.origins, [FileOrigin::FirstRun; 3]);
}

#[test]
fn a_stop_ends_the_pass_and_nothing_is_remembered_of_it() {
    let mut folder = Folder::new();
    folder.shape.limits.batch_rows_max = 10;
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(0..100)));
    let (mut source, mut uploader) = (folder.open("x.csv"), Uploader::default());
    uploader.batches_until_crash = Some(3);
    assert!(matches!(uploader.try_pass(&mut source), Err(SourceError::Stopped(_))));
    uploader.batches_until_crash = None;
    uploader.follow(&mut source);
    assert_eq!(uploader.durable.sites[&site("A")].ahead, []);
    assert_eq!(uploader.batch_rows, [10; 10]);
}

#[test]
fn where_the_sink_proved_a_site_further_its_rows_are_not_given_again() {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(0..10)));
    let mut uploader = Uploader::default();
    uploader.pass(&mut folder.open("x.csv"));
    let before = uploader.durable.clone();
    folder.append("x.csv", rows_of_a(10..20));
    uploader.pass(&mut folder.open("x.csv"));
    let covered = uploader.durable.files[0].covered;
    // An old state, and a sink that holds more.
    let last_data = uploader.durable.sites[&site("A")].last_data;
    uploader.durable = before;
    let ahead = FilePosition { file: uploader.durable.files[0].file, offset: covered };
    let standing = uploader.durable.sites.get_mut(&site("A")).unwrap();
    (standing.ahead, standing.last_data) = (vec![ahead], last_data);
    uploader.take();
    folder.append("x.csv", rows_of_a(20..21));
    assert_eq!(uploader.follow(&mut folder.open("x.csv")), stored_of_a(20..21));
}

#[test]
fn a_missing_file_is_worth_another_try() {
    let folder = Folder::new();
    for name in ["x.csv", "*.csv"] {
        let (mut source, mut uploader) = (folder.open(name), Uploader::default());
        let error = uploader.try_pass(&mut source).unwrap_err();
        assert!(matches!(error, SourceError::Unavailable(_)));
        assert_eq!(
            error.to_string(),
            format!(
                "{} does not exist, or no file matches it; create it, or mend path under [source]",
                folder.path(name).display()
            )
        );
    }
    let (mut source, mut uploader) = (folder.open("*.csv"), Uploader::default());
    uploader.try_pass(&mut source).unwrap_err();
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(0..1)));
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..1));
}

#[test]
fn a_pattern_that_is_none_is_refused_at_once() {
    let folder = Folder::new();
    let error = livecosmos::source::csv::CsvSource::open(folder.settings("x[.csv"), folder.shape.clone())
        .unwrap_err();
    assert!(matches!(error, SourceError::Config(_)));
    assert!(error.to_string().contains("is no pattern: "), "{error}");
}

#[test]
fn a_folder_where_a_file_should_be_is_a_fault_and_among_others_no_matter() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("x.csv")).unwrap();
    let error = Uploader::default().try_pass(&mut folder.open("x.csv")).unwrap_err();
    assert!(matches!(error, SourceError::Config(_)));
    assert_eq!(
        error.to_string(),
        format!("{} is no file; mend path under [source]", folder.path("x.csv").display())
    );
    folder.write("y.csv", format!("{HEADER}{}", rows_of_a(0..1)));
    let (mut source, mut uploader) = (folder.open("*.csv"), Uploader::default());
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..1));
    assert_eq!(uploader.rejects, []);
}

/// A file of which site `A` failed, beside another that is always there.
fn failed_once(folder: &Folder) -> (livecosmos::source::csv::CsvSource, Uploader) {
    folder.write("f.csv.gz", gzipped(format!("{HEADER}{}{}", row("A", 0, 0), row("B", 0, 0)).as_bytes()));
    folder.write("g.csv", format!("{HEADER}{}", row("Z", 5, 5)));
    let (mut source, mut uploader) = (folder.open("*.csv*"), Uploader::default());
    uploader.failing = Some(site("A"));
    assert_eq!(uploader.follow(&mut source), [stored("B", 0, 0), stored("Z", 5, 5)]);
    (source, uploader)
}

#[test]
fn rows_that_failed_are_read_again_although_their_file_was_away_when_their_site_was_due() {
    let folder = Folder::new();
    let (mut source, mut uploader) = failed_once(&folder);
    let before = uploader.durable.files.clone();
    uploader.failing = None;
    folder.rename("f.csv.gz", ".f");
    assert_eq!(uploader.follow(&mut source), [""; 0]);
    assert_eq!(
        uploader.durable.files[0].covered,
        HEADER.len() as u64,
        "what could not be read is not covered"
    );
    assert_eq!(uploader.durable.files[0], before[0]);
    assert!(!uploader.behind, "the pass was clean");
    folder.rename(".f", "f.csv.gz");
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..1));
    assert_eq!(uploader.follow(&mut source), [""; 0]);
}

#[test]
fn rows_that_failed_are_read_again_although_their_file_was_damaged_when_their_site_was_due() {
    let folder = Folder::new();
    let (mut source, mut uploader) = failed_once(&folder);
    uploader.failing = None;
    let whole = content(&folder.path("f.csv.gz"));
    folder.write("f.csv.gz", &whole[..5]);
    assert_eq!(uploader.follow(&mut source), [""; 0]);
    assert!(!uploader.behind, "the pass was clean");
    folder.write("f.csv.gz", &whole);
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..1));
}

/// About 2 MiB of rows, compressed.
fn long_gzip() -> Vec<u8> {
    let rows: String = (0..80_000).map(|number| row("A", number % 1440, number)).collect();
    gzipped(format!("{HEADER}{rows}").as_bytes())
}

#[test]
fn measuring_a_compressed_file_ends_when_it_is_told_to() {
    let folder = Folder::new();
    folder.write("x.csv.gz", long_gzip());
    let mut uploader = Uploader::default();
    uploader.durable.has_run = false;
    uploader.stops_after = Some(2);
    let error = uploader.try_pass(&mut folder.open("x.csv.gz")).unwrap_err();
    assert!(matches!(error, SourceError::Stopped(_)), "{error}");
    assert!(uploader.questions.get() <= 4, "it was asked {} times", uploader.questions.get());
    assert_eq!(uploader.origins, []);
}

#[test]
fn passing_over_what_is_covered_of_a_compressed_file_ends_when_it_is_told_to() {
    let folder = Folder::new();
    folder.write("x.csv.gz", long_gzip());
    let mut uploader = Uploader::default();
    uploader.pass(&mut folder.open("x.csv.gz"));
    folder.append("x.csv.gz", gzipped(rows_of_a(0..1).as_bytes()));
    // One question is asked when all was looked at; the file is passed over in several pieces.
    uploader.questions.set(0);
    uploader.stops_after = Some(3);
    let error = uploader.try_pass(&mut folder.open("x.csv.gz")).unwrap_err();
    assert!(matches!(error, SourceError::Stopped(_)), "{error}");
    uploader.stops_after = None;
    uploader.take();
    assert_eq!(uploader.follow(&mut folder.open("x.csv.gz")), stored_of_a(0..1));
}
