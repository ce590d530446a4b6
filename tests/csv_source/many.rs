//! Files of one table side by side: their names, links, columns and sites.

use livecosmos::source::{SiteRule, SourceError};

use crate::harness::*;

#[test]
fn files_of_a_pattern_are_read_by_name_and_no_batch_spans_two() {
    let folder = Folder::new();
    for (name, minutes) in [("c.csv", 20..30), ("a.csv", 0..10), ("b.csv", 10..20)] {
        folder.write(name, format!("{HEADER}{}", rows_of_a(minutes)));
    }
    let (mut source, mut uploader) = (folder.open("*.csv"), Uploader::default());
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..30));
    assert_eq!(uploader.batch_rows, [10, 10, 10]);
    folder.append("b.csv", rows_of_a(50..51));
    folder.write("aa.csv", format!("{HEADER}{}", rows_of_a(30..31)));
    folder.append("a.csv", rows_of_a(40..41));
    assert_eq!(
        uploader.follow(&mut source),
        [stored_of_a(40..41), stored_of_a(50..51), stored_of_a(30..31)].concat(),
        "a file once begun keeps its turn"
    );
    assert_eq!(uploader.pass(&mut source).bytes_read, 0);
}

#[test]
fn a_copy_or_a_link_beside_a_file_is_not_read_again() {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(0..10)));
    folder.copy("x.csv", "a_copy.csv");
    std::os::unix::fs::symlink(folder.path("x.csv"), folder.path("current.csv")).unwrap();
    let (mut source, mut uploader) = (folder.open("*.csv"), Uploader::default());
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..10));
    folder.append("x.csv", rows_of_a(10..12));
    assert_eq!(uploader.follow(&mut source), stored_of_a(10..12), "the longer of two copies goes on");
    uploader.pass(&mut source);
    assert_eq!(uploader.pass(&mut source).bytes_read, 0, "a copy is compared once");
    assert_eq!(uploader.follow(&mut folder.open("*.csv")), [""; 0]);
    folder.copy("x.csv", "another.csv");
    assert_eq!(uploader.follow(&mut source), [""; 0]);
    folder.remove("x.csv");
    assert_eq!(uploader.follow(&mut source), [""; 0]);
    assert_eq!(uploader.durable.files.len(), 1);
}

#[test]
fn a_link_beside_a_file_costs_no_reading() {
    let folder = Folder::new();
    folder.write("x.csv", format!("{HEADER}{}", rows_of_a(0..10)));
    std::os::unix::fs::symlink(folder.path("x.csv"), folder.path("current.csv")).unwrap();
    let (mut source, mut uploader) = (folder.open("*.csv"), Uploader::default());
    assert_eq!(uploader.follow(&mut source), stored_of_a(0..10));
    assert_eq!(uploader.pass(&mut source).bytes_read, 0);
}

#[test]
fn a_vanished_file_that_comes_back_goes_on_where_it_was_left() {
    let folder = Folder::new();
    folder.write("a.csv", format!("{HEADER}{}", rows_of_a(0..3)));
    folder.write("b.csv", format!("{HEADER}{}", rows_of_a(3..6)));
    let mut uploader = Uploader::default();
    uploader.pass(&mut folder.open("*.csv"));
    folder.rename("a.csv", "elsewhere");
    uploader.pass(&mut folder.open("*.csv"));
    folder.rename("elsewhere", "z.csv");
    folder.append("z.csv", rows_of_a(6..7));
    uploader.take();
    assert_eq!(uploader.follow(&mut folder.open("*.csv")), stored_of_a(6..7));
}

#[test]
fn files_that_vanished_are_forgotten_in_the_end() {
    let folder = Folder::new();
    let mut uploader = Uploader::default();
    let (mut source, count) = (folder.open("*.csv"), 1010);
    for minute in 0..count {
        folder.write(&format!("{minute:04}.csv"), format!("{HEADER}{}", rows_of_a(minute..minute + 1)));
    }
    uploader.pass(&mut source);
    assert_eq!(uploader.durable.files.len(), count as usize);
    for minute in 0..count - 1 {
        folder.remove(&format!("{minute:04}.csv"));
    }
    // Until it is known that nothing was left in them they are held open.
    for _ in 0..3 {
        uploader.pass(&mut source);
    }
    assert_eq!(uploader.durable.files.len(), livecosmos::source::csv::GONE_FILES_MAX + 1);
    assert!(uploader.durable.files[0].path.ends_with("0009.csv"), "the oldest go first");
}

#[test]
fn other_columns_in_a_new_file_start_a_new_batch_and_are_said() {
    let folder = Folder::new();
    let (mut source, mut uploader) = begun(&folder);
    folder.rename("x.csv", "x.csv.1");
    folder.write("x.csv", "SITE,TIME,RH,V\nA,2025-01-01T01:00:00Z,5,6\n");
    let pass = uploader.pass(&mut source);
    assert_eq!(uploader.take(), ["A 2025-01-01T01:00:00Z 5|6"]);
    let path = folder.path("x.csv");
    assert_eq!(pass.notices, [format!("the columns of {} changed; new: RH; gone: none", path.display())]);
    folder.rename("x.csv", "x.csv.2");
    folder.write("x.csv", "SITE,WHEN,V\nA,2025-01-01T01:00:00Z,5\n");
    let error = uploader.try_pass(&mut source).unwrap_err();
    assert!(matches!(error, SourceError::Config(_)));
    assert!(error.to_string().contains("has no column 'TIME'"), "{error}");
}

#[test]
fn a_bad_file_among_good_ones_is_said_once_and_stops_none() {
    let folder = Folder::new();
    folder.write("a.csv", "SITE,WHEN,V\nA,2025-01-01T01:00:00Z,5\n");
    folder.write("b.csv", format!("{HEADER}{}", rows_of_a(0..2)));
    let (mut source, mut uploader) = (folder.open("*.csv"), Uploader::default());
    let pass = uploader.pass(&mut source);
    assert_eq!(uploader.take(), stored_of_a(0..2));
    assert_eq!(pass.notices.len(), 1);
    assert!(pass.notices[0].contains("a.csv has no column 'TIME'"), "{:?}", pass.notices);
    assert_eq!(pass.faults, pass.notices);
    let again = uploader.pass(&mut source);
    assert_eq!((again.notices.len(), again.bytes_read), (0, 0));
    assert_eq!(again.faults, pass.faults, "as long as it is bad it is a fault");
    folder.write("a.csv", format!("{HEADER}{}", rows_of_a(2..4)));
    assert_eq!(uploader.pass(&mut source).faults, [""; 0]);
    assert_eq!(uploader.take(), stored_of_a(2..4));
}

#[test]
fn a_files_name_may_give_its_site() {
    let mut folder = Folder::new();
    folder.shape.site = SiteRule::Template("{file_stem}".to_owned());
    // The same header and the same first row: two stations all the same.
    for name in ["ALIC1.csv", "BALRD.csv"] {
        folder.write(name, "TIME,V\n2025-01-01T00:00:00Z,0\n");
    }
    let (mut source, mut uploader) = (folder.open("*.csv"), Uploader::default());
    assert_eq!(
        uploader.follow(&mut source),
        ["ALIC1 2025-01-01T00:00:00Z 0", "BALRD 2025-01-01T00:00:00Z 0"]
    );
    folder.append("ALIC1.csv", "2025-01-01T00:01:00Z,1\n");
    folder.rename("ALIC1.csv", "ALIC1.csv.1");
    folder.gzip("ALIC1.csv.1");
    folder.write("ALIC1.csv", "TIME,V\n2025-01-01T00:02:00Z,2\n");
    assert_eq!(
        uploader.follow(&mut source),
        ["ALIC1 2025-01-01T00:01:00Z 1", "ALIC1 2025-01-01T00:02:00Z 2"]
    );
}

#[test]
fn a_name_or_header_that_gives_no_site_is_refused() {
    let mut folder = Folder::new();
    folder.write("no site.csv", "TIME,V\n2025-01-01T00:00:00Z,0\n");
    for (template, expected) in [
        (
            "{file_stem}",
            "gives no site: site id \"no site\" is not allowed; use 1 to 64 of A-Z a-z 0-9 _ -; rename the file or set site",
        ),
        ("{station}", "has no TOA5 header, and site = \"{station}\" needs one; set site_column or site"),
    ] {
        folder.shape.site = SiteRule::Template(template.to_owned());
        let error = Uploader::default().try_pass(&mut folder.open("no site.csv")).unwrap_err();
        assert!(matches!(error, SourceError::Config(_)));
        assert_eq!(error.to_string(), format!("{} {expected}", folder.path("no site.csv").display()));
    }
}

#[test]
fn a_file_may_be_one_sites_by_configuration() {
    let mut folder = Folder::new();
    folder.shape.site = SiteRule::Fixed(site("ALIC1"));
    folder.write("x.csv", "TIME,V\n2025-01-01T00:00:00Z,0\n");
    assert_eq!(Uploader::default().follow(&mut folder.open("x.csv")), ["ALIC1 2025-01-01T00:00:00Z 0"]);
}
