//! Any history of appends, rotations, failures and crashes: every row once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::harness::*;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    /// The logger writes so many bytes of what it has to write: lines may be cut anywhere.
    Append(usize),
    /// The file is renamed, and the next byte begins a new one.
    Rename,
    /// As `Rename`, and the old file is compressed.
    Compress,
    /// The file is copied and truncated; what is not written yet of a line begins the new file's first.
    CopyTruncate,
    /// A pass.
    Pass,
    /// A pass that ends after so many batches, by a crash or by a stop.
    Interrupted { batches: usize, is_crash: bool },
    /// A pass in which one site fails.
    Failing(u8),
    /// A pass in which one site waits for its next try.
    Paused(u8),
    /// Another process takes over.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1_usize..400).prop_map(Event::Append),
        1 => Just(Event::Rename),
        1 => Just(Event::Compress),
        1 => Just(Event::CopyTruncate),
        4 => Just(Event::Pass),
        3 => (0_usize..4, any::<bool>()).prop_map(|(batches, is_crash)| Event::Interrupted { batches, is_crash }),
        1 => (0_u8..3).prop_map(Event::Failing),
        1 => (0_u8..3).prop_map(Event::Paused),
        1 => Just(Event::Restart),
    ]
}

fn site_name(index: u8) -> &'static str {
    ["A", "B", "C"][usize::from(index)]
}

/// The logger and its files.
struct Logger<'a> {
    folder: &'a Folder,
    /// Bytes not written yet, and the line they are from.
    pending: String,
    rows_written: u32,
    files: u32,
    is_empty: bool,
}

impl Logger<'_> {
    fn append(&mut self, bytes: usize) {
        while self.pending.len() < bytes {
            self.rows_written += 1;
            // The clock stands still now and then and falls back; the value tells rows apart.
            let minute = (self.rows_written * 7) % 50;
            self.pending +=
                &row(site_name([0, 1, 2][self.rows_written as usize % 3]), minute, self.rows_written);
        }
        let piece: String = self.pending.drain(..bytes).collect();
        self.write(&piece);
    }

    fn write(&mut self, piece: &str) {
        if std::mem::take(&mut self.is_empty) {
            self.folder.append("x.csv", HEADER);
        }
        self.folder.append("x.csv", piece);
    }

    /// Ends the line that is being written, as a logger does before it turns to another file.
    fn end_line(&mut self) {
        let end = self.pending.find('\n').map_or(0, |newline| newline + 1);
        let piece: String = self.pending.drain(..end).collect();
        self.write(&piece);
    }

    fn rotate(&mut self, event: &Event) {
        self.end_line();
        for old in (1..=self.files).rev() {
            for suffix in ["", ".gz"] {
                let name = format!("x.csv.{old}{suffix}");
                if self.folder.path(&name).exists() {
                    self.folder.rename(&name, &format!("x.csv.{}{suffix}", old + 1));
                }
            }
        }
        self.files += 1;
        match event {
            Event::CopyTruncate => {
                self.folder.copy("x.csv", "x.csv.1");
                self.folder.write("x.csv", "");
            }
            _ => self.folder.rename("x.csv", "x.csv.1"),
        }
        if matches!(event, Event::Compress) {
            self.folder.gzip("x.csv.1");
        }
        self.is_empty = true;
    }
}

/// Plays a history. `is_orderly` if no file is rotated away before a pass has met it: such a file is
/// found by a pattern only, and then its rows may come behind newer ones.
fn play(events: &[Event], pattern: &str, is_orderly: bool) -> Result<(), TestCaseError> {
    let mut folder = Folder::new();
    folder.shape.limits.batch_rows_max = 3;
    let mut logger =
        Logger { folder: &folder, pending: String::new(), rows_written: 0, files: 0, is_empty: true };
    logger.append(40);
    let (mut source, mut uploader) = (folder.open(pattern), Uploader::default());
    let mut is_met = false;
    let again = |uploader: &mut Uploader, source: &mut livecosmos::source::csv::CsvSource| {
        // Between the rotation and the first new row there may be no file; that is for the next poll.
        drop(uploader.try_pass(source));
    };
    for event in events {
        match event {
            Event::Append(_) | Event::Restart => {}
            Event::Rename | Event::Compress | Event::CopyTruncate if is_orderly && !is_met => continue,
            Event::Rename | Event::Compress | Event::CopyTruncate => is_met = false,
            _ => {
                is_met = !logger.is_empty
                    && content(&folder.path("x.csv")).split(|byte| *byte == b'\n').count() > 2;
            }
        }
        match event {
            Event::Append(bytes) => logger.append(*bytes),
            Event::Rename | Event::Compress | Event::CopyTruncate => logger.rotate(event),
            Event::Pass => again(&mut uploader, &mut source),
            Event::Interrupted { batches, is_crash } => {
                uploader.batches_until_crash = Some(*batches);
                again(&mut uploader, &mut source);
                uploader.batches_until_crash = None;
                if *is_crash {
                    source = folder.open(pattern);
                    uploader.behind = false;
                }
            }
            Event::Failing(index) => {
                uploader.failing = Some(site(site_name(*index)));
                again(&mut uploader, &mut source);
                uploader.failing = None;
            }
            Event::Paused(index) => {
                uploader.paused.insert(site(site_name(*index)));
                again(&mut uploader, &mut source);
                uploader.paused.clear();
            }
            Event::Restart => {
                source = folder.open(pattern);
                uploader.behind = false;
            }
        }
    }
    logger.end_line();
    again(&mut uploader, &mut source);
    again(&mut uploader, &mut source);

    let mut counts: BTreeMap<u32, usize> = (1..=logger.rows_written).map(|row| (row, 0)).collect();
    for stored in &uploader.stored {
        let value: u32 = stored.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap();
        *counts.entry(value).or_default() += 1;
    }
    let wrong: Vec<_> = counts.into_iter().filter(|(_, count)| *count != 1).collect();
    prop_assert!(
        wrong.is_empty(),
        "rows and how often they were stored: {wrong:?}; files: {:?}",
        uploader.durable.files
    );
    prop_assert_eq!(uploader.rejects, []);
    // Each site's rows came in the order in which they were written.
    for name in ["A", "B", "C"] {
        let values: Vec<u32> = uploader
            .stored
            .iter()
            .filter(|row| row.starts_with(name))
            .map(|row| row.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        prop_assert!(!is_orderly || values.is_sorted(), "{name}: {values:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn every_row_is_stored_once_whatever_happens_to_one_path(events in prop::collection::vec(event(), 1..40)) {
        play(&events, "x.csv", true)?;
    }

    #[test]
    fn every_row_is_stored_once_whatever_happens_under_a_pattern(events in prop::collection::vec(event(), 1..40)) {
        play(&events, "x.csv*", false)?;
    }
}

#[test]
fn rows_written_while_they_are_read_are_given_once() {
    let folder = Folder::new();
    folder.append("x.csv", HEADER);
    let path = folder.path("x.csv");
    let writer = std::thread::spawn(move || {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        let text: String = (0..20_000).map(|number| row("A", number % 1440, number)).collect();
        for piece in text.as_bytes().chunks(777) {
            file.write_all(piece).unwrap();
        }
    });
    let (mut source, mut uploader) = (folder.open("x.csv"), Uploader::default());
    while !writer.is_finished() {
        uploader.pass(&mut source);
    }
    writer.join().unwrap();
    uploader.pass(&mut source);
    let values: Vec<u32> =
        uploader.take().iter().map(|row| row.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(values, (0..20_000).collect::<Vec<u32>>());
}
