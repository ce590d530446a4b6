//! What becomes of lines and cells.

use livecosmos::source::csv::{CsvSource, Settings};
use livecosmos::source::{SiteRule, SourceError};

use crate::harness::*;

fn read(folder: &Folder) -> Uploader {
    let mut uploader = Uploader::default();
    uploader.pass(&mut folder.open("x.csv"));
    uploader
}

fn stored_rows(content: impl AsRef<[u8]>) -> Vec<String> {
    let folder = Folder::new();
    folder.write("x.csv", content);
    read(&folder).stored
}

fn reject_reasons(content: impl AsRef<[u8]>) -> (Vec<String>, Vec<String>) {
    let folder = Folder::new();
    folder.write("x.csv", content);
    let mut uploader = read(&folder);
    let reasons = uploader.rejects.iter().map(|reject| reject.reason.clone()).collect();
    (uploader.take(), reasons)
}

#[test]
fn a_cell_is_a_number_by_jsons_grammar_a_null_by_its_token_and_else_text() {
    let cells = "NAME,-0.7,1E5,007,.5,NNW,NA,,0.10,true";
    let rows = stored_rows(format!("SITE,TIME,a,b,c,d,e,f,g,h,i,j\nA,2025-01-01T00:00:00Z,{cells}\n"));
    assert_eq!(rows, ["A 2025-01-01T00:00:00Z 'NAME'|-0.7|1E5|'007'|'.5'|'NNW'|null|null|0.10|'true'"]);
}

#[test]
fn a_text_column_is_text_even_where_it_looks_like_a_number() {
    let mut folder = Folder::new();
    folder.shape.text_columns.insert("CODE".to_owned());
    folder.write("x.csv", "SITE,TIME,CODE,V\nA,2025-01-01T00:00:00Z,12,12\nA,2025-01-01T00:01:00Z,NA,1\n");
    assert_eq!(read(&folder).stored, ["A 2025-01-01T00:00:00Z '12'|12", "A 2025-01-01T00:01:00Z null|1"]);
}

#[test]
fn quotes_may_hold_delimiters_newlines_and_doubled_quotes() {
    let rows = stored_rows(
        "SITE,TIME,V,W\n\"A\",\"2025-01-01T00:00:00Z\",\"a,b\",1\nA,2025-01-01T00:01:00Z,\"say \"\"hi\"\"\",2\nA,2025-01-01T00:02:00Z,\"two\nlines\",3\n",
    );
    assert_eq!(
        rows,
        [
            "A 2025-01-01T00:00:00Z 'a,b'|1",
            "A 2025-01-01T00:01:00Z 'say \"hi\"'|2",
            "A 2025-01-01T00:02:00Z 'two\nlines'|3",
        ]
    );
}

#[test]
fn a_byte_order_mark_carriage_returns_and_blank_lines_are_no_part_of_the_rows() {
    let rows = stored_rows(
        "\u{feff}SITE,TIME,V\r\n\r\nA,2025-01-01T00:00:00Z,1\r\n\n\r\nA,2025-01-01T00:01:00Z,\"x\"\r\nA,2025-01-01T00:02:00Z,\"x\"\"\r\n\"\r\n",
    );
    assert_eq!(
        rows,
        ["A 2025-01-01T00:00:00Z 1", "A 2025-01-01T00:01:00Z 'x'", "A 2025-01-01T00:02:00Z 'x\"\r\n'"]
    );
}

#[test]
fn another_delimiter_is_a_setting() {
    let mut folder = Folder::new();
    folder.delimiter = b';';
    folder.write("x.csv", "SITE;TIME;V\nA;2025-01-01T00:00:00Z;1,5\n");
    assert_eq!(read(&folder).stored, ["A 2025-01-01T00:00:00Z '1,5'"]);
}

#[test]
fn a_delimiter_that_makes_no_sense_is_refused() {
    let folder = Folder::new();
    let settings = Settings { path: folder.path("x.csv"), delimiter: b'"' };
    let error = CsvSource::open(settings, folder.shape.clone()).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"delimiter must be one ASCII character, no quote and no line end; set it to "," or "\t""#
    );
}

#[test]
fn names_in_a_header_lose_the_blanks_around_them_and_a_nameless_column_gets_its_number() {
    let mut folder = Folder::new();
    folder.shape.site = SiteRule::Column("MY SITE".to_owned());
    folder.write("x.csv", " MY SITE, TIME ,V,\nA,2025-01-01T00:00:00Z,1,\n");
    assert_eq!(read(&folder).stored, ["A 2025-01-01T00:00:00Z 1|null"]);
}

#[test]
fn a_row_of_another_width_is_rejected_and_names_both_counts() {
    let (rows, reasons) = reject_reasons(format!(
        "{HEADER}A,2025-01-01T00:00:00Z\n{}A,2025-01-01T00:00:00Z,1,2\n",
        row("A", 1, 1)
    ));
    assert_eq!(rows, [stored("A", 1, 1)]);
    assert_eq!(
        reasons,
        [
            "it has 2 fields and the header has 3; check delimiter and quotes, or write the row anew at the end of its source, and drop this",
            "it has 4 fields and the header has 3; check delimiter and quotes, or write the row anew at the end of its source, and drop this",
        ]
    );
}

#[test]
fn a_row_that_is_not_utf8_is_rejected_alone() {
    let mut content = HEADER.as_bytes().to_vec();
    content.extend_from_slice(b"A,2025-01-01T00:00:00Z,\xb0C\n");
    content.extend_from_slice(row("A", 1, 1).as_bytes());
    let (rows, reasons) = reject_reasons(content);
    assert_eq!(rows, [stored("A", 1, 1)]);
    assert_eq!(reasons, ["it is not UTF-8; write the row anew at the end of its source, and drop this"]);
}

#[test]
fn a_site_that_is_empty_or_no_site_id_is_rejected() {
    let (rows, reasons) = reject_reasons(format!(
        "{HEADER}{}{}{}{}",
        row("", 0, 0),
        row("NA", 0, 0),
        row("../x", 0, 0),
        row("A", 1, 1)
    ));
    assert_eq!(rows, [stored("A", 1, 1)]);
    assert_eq!(
        reasons,
        [
            "its site is empty; write the row anew at the end of its source, and drop this",
            "its site is empty; write the row anew at the end of its source, and drop this",
            "site id \"../x\" is not allowed; use 1 to 64 of A-Z a-z 0-9 _ -, or write the row anew at the end of its source, and drop this",
        ]
    );
}

#[test]
fn a_time_that_is_empty_or_does_not_parse_is_rejected() {
    let (rows, reasons) = reject_reasons(format!("{HEADER}A,,1\nA,NA,1\nA,yesterday,1\n{}", row("A", 1, 1)));
    assert_eq!(rows, [stored("A", 1, 1)]);
    assert_eq!(
        reasons[0],
        "its time, column 'TIME', is empty; write the row anew at the end of its source, and drop this"
    );
    assert_eq!(reasons[1], reasons[0]);
    assert!(
        reasons[2].starts_with("its time, column 'TIME': 'yesterday' is no time; expected"),
        "{}",
        reasons[2]
    );
}

#[test]
fn a_row_from_the_future_is_rejected_and_does_not_hold_up_the_rows_behind_it() {
    let folder = Folder::new();
    folder.write(
        "x.csv",
        format!("{HEADER}A,2026-01-01T01:00:01Z,1\nA,2026-01-01T01:00:00Z,2\n{}", row("A", 1, 1)),
    );
    let mut uploader = Uploader::default();
    let pass = uploader.pass(&mut folder.open("x.csv"));
    assert_eq!(pass.future_rows, 0, "it does not come by itself later: it is in quarantine");
    assert_eq!(uploader.take(), ["A 2026-01-01T01:00:00Z 2".to_owned(), stored("A", 1, 1)]);
    assert_eq!(
        uploader.reasons(),
        [
            "its time 2026-01-01T01:00:01Z lies in the future; set the logger's clock, or raise `future_tolerance`"
        ]
    );
    assert_eq!(uploader.rejects[0].site.as_deref(), Some("A"));
}

#[test]
fn a_reject_says_file_line_and_byte_and_is_known_again() {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}\n\"A\",2025-01-01T00:00:00Z,\"two\nlines\"\n{}", "A,x,1\r\n"));
    let mut uploader = read(&folder);
    let offset = HEADER.len() + 1 + "\"A\",2025-01-01T00:00:00Z,\"two\nlines\"\n".len();
    let first = uploader.rejects.pop().unwrap();
    assert_eq!(first.position, format!("{}, line 5, byte {offset}", folder.path("x.csv").display()));
    assert_eq!(first.identity, format!("{}:{offset}", uploader.durable.files[0].file));
    assert_eq!(first.row, "A,x,1");

    // Read again by another process from what is covered, and from the middle.
    folder.append("x.csv", "A,y,1\n");
    uploader.durable.files[0].covered = 0;
    uploader.durable.files[0].check = 0;
    let mut source = folder.open("x.csv");
    uploader.pass(&mut source);
    assert_eq!(uploader.rejects[0], first);
    folder.append("x.csv", "A,z,1\n");
    uploader.pass(&mut source);
    assert!(uploader.rejects[2].position.contains(", line 7, byte "), "{}", uploader.rejects[2].position);
    folder.append("x.csv", "A,z,1\n");
    uploader.pass(&mut folder.open("x.csv"));
    assert!(uploader.rejects[3].position.contains(", line 8, byte "), "{}", uploader.rejects[3].position);
}

#[test]
fn rejects_are_given_once_and_not_for_what_is_covered() {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}A,x,1\n"));
    let mut uploader = Uploader::default();
    let mut source = folder.open("x.csv");
    uploader.pass(&mut source);
    uploader.pass(&mut source);
    uploader.pass(&mut folder.open("x.csv"));
    assert_eq!(uploader.rejects.len(), 1);
}

#[test]
fn a_quote_that_is_never_closed_costs_one_line() {
    let bad = "A,2025-01-01T00:00:00Z,\"oops\n";
    let good = rows_of_a(1..200);
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{bad}"));
    let mut source = folder.open("x.csv");
    let mut uploader = Uploader::default();
    uploader.pass(&mut source);
    assert!(uploader.rejects.is_empty(), "the next lines may close it");
    folder.append("x.csv", good);
    uploader.pass(&mut source);
    assert_eq!(
        uploader.reasons(),
        [
            "its quote is not closed within 64 lines; write the row anew at the end of its source, and drop this"
        ]
    );
    assert_eq!(uploader.take(), stored_of_a(1..200));
}

#[test]
fn a_line_longer_than_16_mib_costs_one_line() {
    let folder = Folder::new();
    let long = vec![b'x'; 17 << 20];
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(0..1)));
    folder.append("x.csv", &long);
    let mut source = folder.open("x.csv");
    let mut uploader = Uploader::default();
    uploader.pass(&mut source);
    let covered = covered(&uploader.durable.files[0]);
    assert_eq!(
        covered,
        HEADER.len() + rows_of_a(0..1).len(),
        "an unfinished line is held back, however long"
    );

    folder.append("x.csv", format!("\n{}", rows_of_a(1..3)));
    uploader.pass(&mut source);
    assert_eq!(uploader.take(), stored_of_a(0..3));
    assert_eq!(
        uploader.reasons(),
        ["it is longer than 16 MiB; write the row anew at the end of its source, and drop this"]
    );
    assert_eq!(uploader.origins.len(), 1, "it is the same file still");
    assert!(uploader.rejects[0].row.len() <= 64 << 10, "its beginning shows what it is");
    assert_eq!(uploader.rejects[0].identity, format!("{}:{covered}", uploader.durable.files[0].file));
    assert_eq!(
        uploader.pass(&mut folder.open("x.csv")).rows_read,
        0,
        "what stands before the end is known again"
    );
}

#[test]
fn a_missing_column_names_the_file_the_column_and_what_was_meant() {
    for (site, time, expected) in [
        (
            "SITE_ID",
            "TIME",
            "has no column 'SITE_ID', which site_column names; did you mean 'SITE'?; its columns are: SITE, TIME, V",
        ),
        ("SITE", "WHEN", "has no column 'WHEN', which time_column names; its columns are: SITE, TIME, V"),
    ] {
        let mut folder = Folder::new();
        folder.shape.site = SiteRule::Column(site.to_owned());
        folder.shape.time_column = time.to_owned();
        folder.write("x.csv", format!("{HEADER}{}", row("A", 0, 1)));
        let error = Uploader::default().try_pass(&mut folder.open("x.csv")).unwrap_err();
        assert!(matches!(error, SourceError::Config(_)));
        assert_eq!(error.to_string(), format!("{} {expected}", folder.path("x.csv").display()));
    }
}

#[test]
fn a_tie_column_must_exist_although_a_file_needs_none() {
    let mut folder = Folder::new();
    folder.shape.tie_column = Some("RECORD".to_owned());
    folder.write("x.csv", format!("{HEADER}{}", row("A", 0, 1)));
    let error = Uploader::default().try_pass(&mut folder.open("x.csv")).unwrap_err();
    assert!(error.to_string().contains("has no column 'RECORD', which tie_column names"), "{error}");
}

#[test]
fn two_columns_of_one_name_are_refused() {
    let folder = Folder::new();
    folder.write("x.csv", "SITE,TIME,V,V\nA,2025-01-01T00:00:00Z,1,2\n");
    let error = Uploader::default().try_pass(&mut folder.open("x.csv")).unwrap_err();
    assert!(
        error.to_string().ends_with("has two columns named 'V'; rename one of them in the header"),
        "{error}"
    );
}

#[test]
fn utf16_is_named_as_what_it_is() {
    let folder = Folder::new();
    folder.write("x.csv", b"\xff\xfeS\0I\0T\0E\0\n\0A\0\n\0");
    let error = Uploader::default().try_pass(&mut folder.open("x.csv")).unwrap_err();
    assert!(error.to_string().ends_with("is UTF-16; convert it to UTF-8"), "{error}");
}

#[test]
fn the_headers_of_the_files_can_be_looked_at() {
    let mut folder = Folder::new();
    folder.shape.site = SiteRule::Template("{station}".to_owned());
    folder.shape.time_column = "TIMESTAMP".to_owned();
    let lines = "TOA5,PWS,CR1000X,1,2,3,4,Met\nTIMESTAMP,TA\nTS,Deg C\n,Avg\n2025-01-01 00:00:00,1\n";
    folder.write("x.dat", lines);
    folder.write("y.dat", "TIMESTAMP");
    let headers = folder.open("*.dat").headers().unwrap();
    assert_eq!(headers.len(), 1, "of the other one the header is not complete");
    let toa5 = headers[0].1.toa5.as_ref().unwrap();
    assert_eq!((&*headers[0].1.columns[1], &*toa5.station), ("TA", "PWS"));
    assert_eq!((&*toa5.units[1], &*toa5.processing[1]), ("Deg C", "Avg"));

    folder.shape.time_column = "WHEN".to_owned();
    let error = folder.open("*.dat").headers().unwrap_err();
    assert!(error.to_string().contains("x.dat has no column 'WHEN'"), "{error}");
}
