//! Every kind of trouble, in a sink in memory.

use std::sync::Arc;

use livecosmos_state::{ChainName, Cursor, Tie, Time};

use super::*;
use crate::payload::{Compression, Format};
use crate::rows::{Batch, Kind, RowTime, Rows, Schema};
use crate::sink::memory::MemorySink;
use crate::sink::{Contents, DayCounts, Facts, Object};

const START_S: i64 = 1_735_689_600;

fn table(name: &str) -> TableName {
    TableName::parse(name).unwrap()
}

fn site(name: &str) -> SiteId {
    SiteId::parse(name).unwrap()
}

fn time(minute: u64) -> Time {
    Time::new(START_S + 60 * i64::try_from(minute).unwrap(), 0).unwrap()
}

fn cursor(minute: u64) -> Cursor {
    Cursor::Row { time: time(minute), tie: Tie::None }
}

fn subject() -> Subject {
    Subject {
        table: table("T"),
        key: KeyTemplate::default(),
        sink: Arc::new(MemorySink::new()),
        time_column: "TIME".to_owned(),
        only: None,
        neighbours: Vec::new(),
        retry: crate::daemon::RETRY_ONCE,
        stop: Stop::default(),
    }
}

/// Object `seq` of a chain of site A: a row each minute behind `from` up to and including `to`.
fn object(chain: &ChainName, seq: u64, from: Option<u64>, to: u64) -> Object {
    let columns = ["TIME", "TA"].map(Box::from).into();
    let mut rows = Rows::new(Arc::new(Schema::untyped(columns, 0, None)));
    for minute in from.map_or(0, |from| from + 1)..=to {
        rows.push(Kind::Text, "");
        rows.push(Kind::Number, "0.10");
        rows.end_row(RowTime { time: time(minute), digits: 0 });
    }
    let batch =
        Batch { site: site("A"), rows, to: cursor(to), is_cut: false, is_at_border: false, newest: None };
    let encoded = Format::Ndjson.encode(&batch, Compression::Zstd).unwrap();
    let facts = Facts {
        table: table("T"),
        site: site("A"),
        chain: chain.clone(),
        seq,
        from: from.map_or(Cursor::Start, cursor),
        to: cursor(to),
        next: None,
        is_resend: false,
        rows: batch.rows.len() as u64,
        last_data: time(to),
        digest: encoded.digest,
        config: "c".to_owned(),
        instance: "i".to_owned(),
        generation: 1,
        contents: Contents::of(&batch.rows),
    };
    Object {
        bytes: encoded.bytes,
        content_type: "application/x-ndjson",
        content_encoding: Some("zstd"),
        facts: Arc::new(facts),
        pace: None,
    }
}

fn live(seq: u64, from: Option<u64>, to: u64) -> Object {
    object(&ChainName::LIVE, seq, from, to)
}

/// The same object, with another word on itself.
fn saying(mut object: Object, change: impl FnOnce(&mut Facts)) -> Object {
    change(Arc::make_mut(&mut object.facts));
    object
}

fn key_of(object: &Object) -> String {
    let facts = &object.facts;
    KeyTemplate::default().key(&facts.site, &facts.table, &facts.chain, facts.seq, ".ndjson.zst")
}

async fn store(subject: &Subject, objects: impl IntoIterator<Item = Object>) {
    for object in objects {
        subject.sink.put(&key_of(&object), &object).await.unwrap();
    }
}

async fn report_on(objects: impl IntoIterator<Item = Object>) -> Report {
    let subject = subject();
    store(&subject, objects).await;
    subject.verify(|_| ()).await.unwrap()
}

fn troubles(report: &Report) -> Vec<(Trouble, &str)> {
    assert_eq!(report.findings.len() as u64, report.findings_total);
    report.findings.iter().map(|finding| (finding.trouble, finding.what.as_str())).collect()
}

#[tokio::test]
async fn a_sound_chain_has_no_findings_and_is_summed_up() {
    let report = report_on([live(0, None, 9), live(1, Some(9), 2000), live(2, Some(2000), 2001)]).await;
    assert_eq!(troubles(&report), []);
    let chains: Vec<_> = report.chains().collect();
    let [chain] = chains.as_slice() else { panic!("{chains:?}") };
    assert_eq!((chain.first_seq, chain.last_seq, chain.objects, chain.rows), (0, 2, 3, 2002));
    assert_eq!((chain.first_data, chain.last_data), (Some(time(0)), Some(time(2001))));
}

#[tokio::test]
async fn a_chain_whose_oldest_objects_have_expired_is_sound() {
    let report = report_on([live(7, Some(9), 12), live(8, Some(12), 13)]).await;
    assert_eq!(troubles(&report), []);
    assert_eq!(report.chains().next().unwrap().first_seq, 7);
}

#[tokio::test]
async fn a_missing_object_is_named_by_its_number() {
    let one = report_on([live(0, None, 9), live(2, Some(19), 29)]).await;
    assert_eq!(troubles(&one), [(Trouble::Missing, "object 1 before it is not there")]);
    let more = report_on([live(0, None, 9), live(4, Some(19), 29), live(5, Some(29), 30)]).await;
    assert_eq!(troubles(&more), [(Trouble::Missing, "objects 1 to 3 before it are not there")]);
}

#[tokio::test]
async fn a_gap_and_an_overlap_are_told_apart() {
    let gap = report_on([live(0, None, 9), live(1, Some(10), 19)]).await;
    let what =
        "it begins at row:2025-01-01T00:10:00Z, and the object before it ends at row:2025-01-01T00:09:00Z";
    assert_eq!(troubles(&gap), [(Trouble::Gap, what)]);
    let overlap = report_on([live(0, None, 9), live(1, Some(8), 19)]).await;
    let what =
        "it begins at row:2025-01-01T00:08:00Z, and the object before it ends at row:2025-01-01T00:09:00Z";
    assert_eq!(troubles(&overlap), [(Trouble::Overlap, what)]);
}

#[tokio::test]
async fn an_object_under_two_endings_is_there_twice() {
    let subject = subject();
    store(&subject, [live(0, None, 9), live(1, Some(9), 10)]).await;
    subject.sink.put("A/T/00000000000000000000.zzz", &live(0, None, 8)).await.unwrap();
    let report = subject.verify(|_| ()).await.unwrap();
    assert_eq!(troubles(&report), [(Trouble::Doubled, "object 0 is there twice, under two endings")]);
}

#[tokio::test]
async fn bytes_that_were_changed_are_damage() {
    let mut other = live(0, None, 9);
    other.bytes = live(0, None, 8).bytes;
    let mut cut = live(1, Some(9), 19);
    cut.bytes = cut.bytes.slice(..cut.bytes.len() - 5);
    let report = report_on([other, cut]).await;
    let kinds: Vec<_> = report.findings.iter().map(|finding| finding.trouble).collect();
    assert_eq!(kinds, [Trouble::Damaged, Trouble::Damaged]);
    assert!(report.findings[0].what.starts_with("the SHA-256 of its payload is "), "{report:?}");
    assert!(report.findings[1].what.contains("cannot be decompressed"), "{report:?}");
}

#[tokio::test]
async fn bytes_that_were_stored_so_and_are_no_rows_are_unreadable() {
    for (stored, what) in [
        ("no rows", "at byte 7: it holds its end where a comma or the end of a line should be"),
        ("{no rows", "at byte 1: it holds 'n' where '\"' should be"),
        // What the library says of it is its own affair.
        ("PAR1 no rows PAR1", ""),
    ] {
        let bytes = bytes::Bytes::from_static(stored.as_bytes());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        let object = Object { bytes, ..live(0, None, 9) };
        let object = saying(object, |facts| facts.digest.copy_from_slice(digest.as_ref()));
        let report = report_on([object]).await;
        let found = troubles(&report);
        assert_eq!(found[0].0, Trouble::Unreadable, "{found:?}");
        assert!(found.len() == 1 && found[0].1.ends_with(what), "{found:?}");
    }
}

#[tokio::test]
async fn rows_times_and_days_are_counted_again() {
    let lies = [
        saying(live(0, None, 9), |facts| facts.rows = 11),
        saying(live(1, Some(9), 19), |facts| facts.last_data = time(20)),
        saying(live(2, Some(19), 29), |facts| facts.contents.first_data = Some(time(19))),
        saying(live(3, Some(29), 39), |facts| facts.contents.days = DayCounts::parse("2025-01-01:9")),
    ];
    let report = report_on(lies).await;
    assert_eq!(
        troubles(&report),
        [
            (Trouble::Rows, "it holds 10 rows, and says 11"),
            (Trouble::Times, "its newest time is 2025-01-01T00:19:00Z, and it says 2025-01-01T00:20:00Z"),
            (Trouble::Times, "its earliest time is 2025-01-01T00:20:00Z, and it says 2025-01-01T00:19:00Z"),
            (Trouble::Times, "its rows by day are 2025-01-01:10, and it says 2025-01-01:9"),
        ]
    );
}

#[tokio::test]
async fn an_object_of_an_older_release_is_read_by_todays_settings() {
    let subject = Subject { time_column: "time".to_owned(), ..subject() };
    let old = saying(live(0, None, 9), |facts| facts.contents = Contents::default());
    store(&subject, [old]).await;
    let report = subject.verify(|_| ()).await.unwrap();
    assert_eq!(troubles(&report), []);
    assert_eq!(report.chains().next().unwrap().first_data, Some(time(0)));
}

#[tokio::test]
async fn an_object_in_anothers_place_and_strangers_are_named() {
    let neighbour = KeyTemplate::parse("{site}/T/x-{seq}").unwrap();
    let subject = Subject { neighbours: vec![(table("N"), neighbour)], ..subject() };
    store(&subject, [live(0, None, 9), live(2, Some(19), 29)]).await;
    let stray = live(7, Some(9), 19);
    subject.sink.put("A/T/00000000000000000001.ndjson", &stray).await.unwrap();
    for key in ["A/T/readme.txt", "A/U/00000000000000000000.json", "A/T/x-00000000000000000000", "B.txt"] {
        subject.sink.put(key, &stray).await.unwrap();
    }
    let report = subject.verify(|_| ()).await.unwrap();
    let found: Vec<_> =
        report.findings.iter().map(|finding| (finding.trouble, finding.key.as_str())).collect();
    assert_eq!(
        found,
        [(Trouble::Misplaced, "A/T/00000000000000000001.ndjson"), (Trouble::Foreign, "A/T/readme.txt"),]
    );
}

#[tokio::test]
async fn a_hole_is_compared_with_the_chain_that_fills_it() {
    let jump = |until: u64| saying(live(0, None, 9), |facts| facts.next = Some(cursor(until)));
    let fill = ChainName::catch_up(0);
    let after = || live(1, Some(100), 101);

    let open = report_on([jump(100), after()]).await;
    assert_eq!(troubles(&open), []);
    assert_eq!(
        open.holes().map(|hole| (hole.is_filled(), hole.filled_to)).collect::<Vec<_>>(),
        [(false, None)]
    );

    let begun = report_on([jump(100), after(), object(&fill, 0, Some(9), 50)]).await;
    assert_eq!(troubles(&begun), []);
    assert_eq!(begun.holes().map(|hole| hole.is_filled()).collect::<Vec<_>>(), [false]);

    let halves = [object(&fill, 0, Some(9), 50), object(&fill, 1, Some(50), 100)];
    let whole = report_on([jump(100), after()].into_iter().chain(halves)).await;
    assert_eq!(troubles(&whole), []);
    assert_eq!(whole.holes().map(|hole| hole.is_filled()).collect::<Vec<_>>(), [true]);

    let wrong = report_on([jump(100), after(), object(&fill, 0, Some(10), 102)]).await;
    let kinds: Vec<_> = wrong.findings.iter().map(|finding| finding.trouble).collect();
    assert_eq!(kinds, [Trouble::Gap, Trouble::Overlap]);
}

#[tokio::test]
async fn only_the_sites_asked_for_are_read() {
    let subject = Subject { only: Some([site("B")].into()), ..subject() };
    store(&subject, [live(1, None, 9), saying(live(0, None, 9), |facts| facts.site = site("B"))]).await;
    let report = subject.verify(|_| ()).await.unwrap();
    assert_eq!(report.chains().map(|chain| chain.site).collect::<Vec<_>>(), [site("B")]);
    assert_eq!(subject.count().await.unwrap(), 1);
}

#[tokio::test]
async fn more_objects_than_a_page_of_keys_are_all_read() {
    let objects = (0..1201).map(|seq| live(seq, seq.checked_sub(1), seq));
    let report = report_on(objects).await;
    assert_eq!(troubles(&report), []);
    assert_eq!(report.chains().next().unwrap().objects, 1201);
}
