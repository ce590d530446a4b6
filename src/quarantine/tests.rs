use super::entry::ROW_BYTES_MAX;
use super::*;

fn reject(identity: &str, row: &str) -> Reject {
    Reject {
        site: Some("ALIC1".to_owned()),
        position: format!("file T.csv, {identity}"),
        identity: identity.to_owned(),
        reason: "its time is \"never\"; mend the line".to_owned(),
        row: row.to_owned(),
        cells: None,
        place: None,
    }
}

fn now() -> Time {
    Time::new(1_735_689_600, 0).unwrap()
}

/// A quarantine in a folder of its own.
struct Kept {
    folder: tempfile::TempDir,
}

impl Kept {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> Quarantine {
        Quarantine::open(self.folder.path(), &TableName::parse("T").unwrap()).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("T.quarantine.ndjson")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own file, as a crash left it")]
    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    /// The identities of the lines that are whole.
    fn identities(&self) -> Vec<String> {
        let identity = |line| Some(serde_json::from_str::<Entry>(line).ok()?.identity);
        self.text().lines().filter_map(identity).collect()
    }
}

#[test]
fn a_row_is_kept_as_one_line_of_json_with_its_reason() {
    let kept = Kept::new();
    let mut quarantine = kept.open();
    assert!(!kept.path().exists(), "the file comes with the first row");
    quarantine.keep(&reject("line 2", "ALIC1,never,\"Ä\n\""), now()).unwrap();
    quarantine.sync().unwrap();
    assert_eq!(
        kept.text(),
        "{\"site\":\"ALIC1\",\"position\":\"file T.csv, line 2\",\"identity\":\"line 2\",\"reason\":\"its time \
         is \\\"never\\\"; mend the line\",\"first_seen\":\"2025-01-01T00:00:00Z\",\"row\":\"ALIC1,never,\\\"Ä\\n\\\"\"}\n"
    );
}

#[test]
fn a_row_that_is_read_again_is_kept_once() {
    let kept = Kept::new();
    for _ in 0..3 {
        let mut quarantine = kept.open();
        for identity in ["a", "b", "a"] {
            quarantine.keep(&reject(identity, "x"), now()).unwrap();
        }
    }
    assert_eq!(kept.identities(), ["a", "b"]);
}

#[test]
fn a_line_torn_by_a_crash_is_closed_and_its_row_kept_again() {
    let kept = Kept::new();
    kept.open().keep(&reject("a", "x"), now()).unwrap();
    let whole = kept.text();
    for (torn, expected) in [
        (format!("{whole}{}", whole.replace("\"a\"", "\"b\"")), ["a", "b", "c"]),
        (whole.replace("\"a\"", "\"b\""), ["b", "a", "c"]),
    ] {
        kept.write(&torn[..torn.len() - 9]);
        let mut quarantine = kept.open();
        for identity in ["a", "b", "c"] {
            quarantine.keep(&reject(identity, "x"), now()).unwrap();
        }
        let found: std::collections::BTreeSet<_> = kept.identities().into_iter().collect();
        assert_eq!(found, expected.map(str::to_owned).into(), "{}", kept.text());
    }
}

#[test]
fn a_first_line_torn_under_an_open_quarantine_is_closed() {
    let kept = Kept::new();
    let mut quarantine = kept.open();
    // As a disk leaves it that is full half-way through the first line.
    kept.write("{\"site\":\"AL");
    quarantine.keep(&reject("a", "x"), now()).unwrap();
    assert_eq!(kept.identities(), ["a"], "{}", kept.text());
}

#[test]
fn opening_it_again_leaves_no_empty_line() {
    let kept = Kept::new();
    for identity in ["a", "b", "c"] {
        kept.open().keep(&reject(identity, "x"), now()).unwrap();
    }
    assert_eq!(kept.text().lines().count(), 3, "{}", kept.text());
}

#[test]
fn past_its_quota_it_takes_no_more_and_says_so() {
    let kept = Kept::new();
    let mut quarantine = kept.open();
    quarantine.keep(&reject("a", &"x".repeat(2 * ROW_BYTES_MAX)), now()).unwrap();
    assert!(kept.text().len() < ROW_BYTES_MAX + 1_000, "a long row is cut");
    quarantine.bytes = BYTES_MAX_DEFAULT - 10;
    let error = quarantine.keep(&reject("b", "x"), now()).unwrap_err();
    assert!(matches!(error, QuarantineError::Full { .. }), "{error}");
    assert!(quarantine.keep(&reject("a", "x"), now()).is_ok(), "what is kept already needs no room");
    assert_eq!(kept.identities(), ["a"]);
}

#[test]
fn what_was_kept_is_durable_after_a_sync_only() {
    let kept = Kept::new();
    let mut quarantine = kept.open();
    assert!(quarantine.is_synced());
    quarantine.keep(&reject("a", "x"), now()).unwrap();
    assert!(!quarantine.is_synced());
    quarantine.sync().unwrap();
    assert!(quarantine.is_synced());
    drop(quarantine);
    assert!(!kept.open().is_synced(), "a killed process may have left it to the system");
}

/// Injected: the disk fails to make the second row durable.
#[test]
fn after_a_failed_sync_nothing_counts_as_kept_until_it_is_opened_again() {
    let kept = Kept::new();
    let mut quarantine = kept.open();
    quarantine.keep(&reject("a", "x"), now()).unwrap();
    quarantine.sync().unwrap();
    quarantine.keep(&reject("b", "x"), now()).unwrap();
    quarantine.sync_file = |_| Err(std::io::Error::other("the disk failed"));
    assert!(matches!(quarantine.sync(), Err(QuarantineError::Io { .. })));
    quarantine.sync_file = File::sync_all;
    for _ in 0..3 {
        assert!(matches!(quarantine.sync(), Err(QuarantineError::Broken { .. })));
        assert!(quarantine.keep(&reject("b", "x"), now()).is_err(), "b was taken for kept");
        assert!(!quarantine.is_synced());
    }
    assert_eq!(kept.identities(), ["a"], "what may not be on the disk is still shown");
    let mut quarantine = kept.open();
    quarantine.keep(&reject("b", "x"), now()).unwrap();
    quarantine.sync().unwrap();
    assert_eq!(kept.identities(), ["a", "b"]);
}

/// Injected: a disk that was full while a row was written, so that its handle was given up.
#[test]
fn a_row_kept_before_a_failed_write_is_synced_all_the_same() {
    let kept = Kept::new();
    let mut quarantine = kept.open();
    quarantine.keep(&reject("a", "x"), now()).unwrap();
    quarantine.file = None;
    quarantine.sync_file = |_| Err(std::io::Error::other("the disk failed"));
    assert!(quarantine.sync().is_err(), "nothing was synced, and that was called durable");
}

#[test]
fn half_a_line_that_a_full_disk_took_is_cut_off() {
    let kept = Kept::new();
    let mut quarantine = kept.open();
    quarantine.keep(&reject("a", "x"), now()).unwrap();
    quarantine.write_file = |file, line| {
        file.write_all(&line[..line.len() / 2])?;
        Err(std::io::ErrorKind::StorageFull.into())
    };
    assert!(quarantine.keep(&reject("b", "x"), now()).is_err());
    assert_eq!(kept.text().lines().count(), 1, "{}", kept.text());
    quarantine.write_file = File::write_all;
    quarantine.keep(&reject("b", "x"), now()).unwrap();
    assert_eq!(kept.identities(), ["a", "b"]);
    assert_eq!(kept.text().lines().count(), 2, "{}", kept.text());
}

#[test]
fn rows_are_taken_out_durably_and_what_is_no_entry_stays() {
    let kept = Kept::new();
    let mut quarantine = kept.open();
    for identity in ["a", "b", "c"] {
        quarantine.keep(&reject(identity, "x"), now()).unwrap();
    }
    drop(quarantine);
    kept.write(&format!("{}# a note of the operator's\n", kept.text()));
    let mut quarantine = kept.open();
    let taken = quarantine.edit(|entry| (entry.identity != "b").then_some(entry)).unwrap();
    assert_eq!((taken, kept.identities()), (1, vec!["a".to_owned(), "c".to_owned()]));
    assert!(kept.text().ends_with("# a note of the operator's\n"), "{}", kept.text());
    assert!(quarantine.is_synced());
    for identity in ["a", "b"] {
        quarantine.keep(&reject(identity, "x"), now()).unwrap();
    }
    assert_eq!(kept.identities(), ["a", "c", "b"], "a row that was taken out may come again, once");
    assert_eq!(kept.text().len() as u64, quarantine.bytes, "the quota counts what is there");
}

/// Injected: a crash while the new file was written, which leaves it half-way beside the old one.
#[test]
fn a_crash_while_rows_are_taken_out_leaves_all_of_them() {
    let kept = Kept::new();
    kept.open().keep(&reject("a", "x"), now()).unwrap();
    std::os::unix::fs::symlink("elsewhere", kept.folder.path().join("T.quarantine.ndjson.temp")).unwrap();
    let mut quarantine = kept.open();
    assert_eq!(kept.identities(), ["a"]);
    quarantine.keep(&reject("b", "x"), now()).unwrap();
    assert_eq!(quarantine.edit(|entry| (entry.identity != "a").then_some(entry)).unwrap(), 1);
    assert_eq!(kept.identities(), ["b"]);
}

#[test]
fn a_row_lies_ahead_as_long_as_neither_its_file_nor_its_site_has_passed_it() {
    use livecosmos_state::{Cursor, FileId, FilePosition, Site, SiteId, SourceFile, State};
    let file = FileId(7);
    let at = |offset| Some(Cursor::File { file, offset });
    let entry = |place| Entry::of(&Reject { place, ..reject("a", "x") }, now());
    let mut state = State::new(TableName::parse("T").unwrap(), "s");
    assert!(!entry(at(50)).lies_ahead(&state), "of an unknown file nothing is known");
    state.files.push(SourceFile { path: "T.csv".into(), file, covered: 40, check: 0, floor_until: 0 });
    assert!(entry(at(40)).lies_ahead(&state) && !entry(at(39)).lies_ahead(&state));
    let ahead = vec![FilePosition { file, offset: 60 }];
    state.sites.insert(SiteId::parse("ALIC1").unwrap(), Site { ahead, ..Site::default() });
    assert!(entry(at(60)).lies_ahead(&state) && !entry(at(59)).lies_ahead(&state));
    state.sites.values_mut().for_each(|site| site.live.passed = at(70));
    assert!(entry(at(70)).lies_ahead(&state) && !entry(at(69)).lies_ahead(&state));
    assert!(!entry(None).lies_ahead(&state));
}

#[test]
fn the_file_with_all_rows_is_never_written_to_while_some_are_taken_out() {
    let kept = Kept::new();
    let mut quarantine = kept.open();
    for identity in ["a", "b"] {
        quarantine.keep(&reject(identity, "x"), now()).unwrap();
    }
    let before = kept.text();
    // What a crash at any moment would leave, as long as the new file has not got its name.
    let (path, aside) = (kept.folder.path().join("T.quarantine.ndjson"), kept.folder.path().join("aside"));
    std::fs::hard_link(path, &aside).unwrap();
    assert_eq!(quarantine.edit(|entry| (entry.identity != "a").then_some(entry)).unwrap(), 1);
    assert_eq!(kept.identities(), ["b"]);
    assert_eq!(std::fs::read_to_string(aside).unwrap(), before);
}

const DIR_VARIABLE: &str = "LIVECOSMOS_TEST_QUARANTINE";

#[test]
#[ignore = "it is the other process of the test below"]
fn keep_two_rows_and_take_one_out() {
    let dir = std::env::var(DIR_VARIABLE).unwrap();
    let mut quarantine = Quarantine::open(Path::new(&dir), &TableName::parse("T").unwrap()).unwrap();
    for identity in ["a", "b"] {
        quarantine.keep(&reject(identity, "x"), now()).unwrap();
    }
    quarantine.sync().unwrap();
    quarantine.edit(|entry| (entry.identity != "a").then_some(entry)).unwrap();
}

/// Seen through strace: the order of the calls. Not shown: that the disk obeys an fsync.
#[test]
fn rows_and_names_are_durable_and_a_new_file_is_before_it_takes_the_place_of_the_old() {
    let kept = Kept::new();
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut strace = std::process::Command::new("strace");
    strace.args(["--follow-forks", "--decode-fds=path", "--trace=fsync,/^rename", "--output"]);
    let child = "quarantine::tests::keep_two_rows_and_take_one_out";
    strace.arg(log.path()).arg(std::env::current_exe().unwrap()).args([child, "--exact", "--ignored"]);
    let output = strace.env(DIR_VARIABLE, kept.folder.path()).output();
    let output = output.expect("strace runs; install it, as by 'apt-get install strace'");
    assert!(output.status.success(), "{output:?}");
    let root = kept.folder.path().to_str().unwrap();
    let log = std::fs::read_to_string(log.path()).unwrap();
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let sync = |line: &str| {
        let (_, file) = line.split_once("fsync(")?.1.split_once('<')?;
        Some(vec![base(file.split_once('>')?.0.strip_prefix(root)?)])
    };
    let rename = |line: &str| {
        let names = line.split('"').skip(1).step_by(2).map(base).collect();
        (line.contains("rename") && line.contains(root)).then_some(names)
    };
    let calls = log.lines().filter_map(|line| sync(line).or_else(|| rename(line)));
    let calls: Vec<Vec<String>> = calls.collect();
    let (file, temp) = ("T.quarantine.ndjson", "T.quarantine.ndjson.temp");
    // A call that names two files is the rename; all others make durable what they name, or the folder.
    assert_eq!(calls, [vec![file], vec![""], vec![temp], vec![temp, file], vec![""]]);
}
