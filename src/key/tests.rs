use livecosmos_state::{FileId, Tie};
use proptest::prelude::*;

use super::*;

fn site(text: &str) -> SiteId {
    SiteId::parse(text).unwrap()
}

fn table(text: &str) -> TableName {
    TableName::parse(text).unwrap()
}

fn refusal(template: &str) -> String {
    KeyTemplate::parse(template).unwrap_err().to_string()
}

#[test]
fn the_default_template_spells_site_live_table_and_seq() {
    let template = KeyTemplate::default();
    assert_eq!(Ok(&template), KeyTemplate::parse(&template.to_string()).as_ref());
    let (site, table) = (site("ALIC1"), table("COSMOS.LEVEL1_SOILMET_30MIN"));
    assert_eq!(
        template.key(&site, &table, &ChainName::LIVE, 7, ".ndjson.gz"),
        "ALIC1/SOILMET_30MIN/00000000000000000007.ndjson.gz"
    );
    assert_eq!(template.stem(&site, &table, &ChainName::LIVE, 7), "ALIC1/SOILMET_30MIN/00000000000000000007");
    assert_eq!(template.prefix(&site, &table, &ChainName::LIVE), "ALIC1/SOILMET_30MIN/");
}

#[test]
fn another_chain_is_named_in_the_key_and_lists_after_the_live_one() {
    let template = KeyTemplate::default();
    let (site, table) = (site("ALIC1"), table("T"));
    let late = template.key(&site, &table, &ChainName::LATE, 0, ".json");
    assert_eq!(late, "ALIC1/T/late.00000000000000000000.json");
    assert!(template.key(&site, &table, &ChainName::LIVE, u64::MAX, ".json") < late);
    assert_eq!(template.seq_of(&site, &table, &ChainName::LIVE, &late), None);
    assert_eq!(template.seq_of(&site, &table, &ChainName::LATE, &late), Some(0));
}

#[test]
fn a_seq_is_read_from_any_extension_and_from_nothing_else() {
    let template = KeyTemplate::parse("a/{table}/{site}/b-{seq}-c{ext}").unwrap();
    let (site, table) = (site("S"), table("T"));
    let seq_of = |key: &str| template.seq_of(&site, &table, &ChainName::LIVE, key);
    assert_eq!(seq_of("a/T/S/b-00000000000000000012-c.ndjson"), Some(12));
    assert_eq!(seq_of("a/T/S/b-00000000000000000012-c"), Some(12));
    for other in [
        "a/T/S/b-00000000000000000012.ndjson",
        "a/T/S/b-0000000000000000001x-c.ndjson",
        "a/T/S/b-12-c.ndjson",
        "a/T/S/b-00000000000000000012-c~",
        "a/T/S/b-00000000000000000012-c.d/x",
        "a/T/S2/b-00000000000000000012-c.ndjson",
        "a/T/S/b-99999999999999999999-c.ndjson",
        "a/T/S/b-000000000000000000é12-c",
        "",
    ] {
        assert_eq!(seq_of(other), None, "{other}");
    }
}

#[test]
fn a_refused_template_says_what_to_write() {
    insta::assert_snapshot!(refusal("{site}/{when}/{seq}{ext}"), @"the key template has an unknown token '{when}'; known are {site}, {table}, {live_table}, {chain}, {seq}, {from}, {from_ms}, {to}, {to_ms}, {first}, {last}, {date}, {year}, {month}, {day}, {hour}, {md5}, {sha256}, {ext}");
    insta::assert_snapshot!(refusal("{live_table}/{seq}{ext}"), @"the key template does not name the site before {seq}; add '{site}/'");
    insta::assert_snapshot!(refusal("date={date}/{site}/{seq}{ext}"), @"{site} of the key template stands behind {date}, which changes from object to object, so a site could not be listed by itself; put {site} before it");
    insta::assert_snapshot!(refusal("{site}/{live_table}{ext}"), @"the key template has neither {seq} nor a digest such as {md5}, so two objects could share a key; end it in '{seq}{ext}'");
    insta::assert_snapshot!(refusal("{site}/{from}-{to}{ext}"), @"the key template has neither {seq} nor a digest such as {md5}, so two objects could share a key; end it in '{seq}{ext}'");
    insta::assert_snapshot!(refusal("{site}/{sha256}{ext}"), @"the key template has neither {seq} nor a time such as {to_ms}, so the end of a chain could not be found; write '{to_ms}-{md5}', or end it in '{seq}{ext}'");
    insta::assert_snapshot!(refusal("{seq}/{site}{ext}"), @"{site} of the key template stands behind {seq}, which changes from object to object, so a site could not be listed by itself; put {site} before it");
    insta::assert_snapshot!(refusal("{site}/{seq}/{seq}{ext}"), @"the key template has {ext} before its end, or {seq} more than once; end it in '{seq}{ext}'");
    insta::assert_snapshot!(refusal("{site}/{ext}/{seq}"), @"the key template has {ext} before its end, or {seq} more than once; end it in '{seq}{ext}'");
    insta::assert_snapshot!(refusal("{site}_{live_table}/{seq}"), @"two tokens of the key template are not parted by a '/'; two places could share a key, so put one between");
    insta::assert_snapshot!(refusal("{site}-{seq}"), @"two tokens of the key template are not parted by a '/'; two places could share a key, so put one between");
    insta::assert_snapshot!(refusal("{site}/{from}{to}-{seq}"), @"it cannot be seen where {from} of the key template ends; put one of / _ - . = + ! , @ behind it");
    insta::assert_snapshot!(refusal("{site}/{last}x{seq}"), @"it cannot be seen where {last} of the key template ends; put one of / _ - . = + ! , @ behind it");
    insta::assert_snapshot!(refusal("{site}/{to_ms}-{md5}-00000000000000000001"), @"the key template has 20 digits in a row, which looks like a seq; shorten them");
    insta::assert_snapshot!(refusal("{site}/{sha256}{sha256}{sha256}{sha256}{sha256}{sha256}"), @"the tokens of the key template may take more than 320 bytes; leave some out");
    insta::assert_snapshot!(refusal("a/{prefix}/{site}/{seq}"), @"{prefix} is that of the sink's url, which begins each key; write it as '{prefix}/' at the beginning, or not at all");
    insta::assert_snapshot!(refusal("{site/{seq}"), @"the key template has an unknown token '{site/{seq}'; known are {site}, {table}, {live_table}, {chain}, {seq}, {from}, {from_ms}, {to}, {to_ms}, {first}, {last}, {date}, {year}, {month}, {day}, {hour}, {md5}, {sha256}, {ext}");
    insta::assert_snapshot!(refusal("{site}}/{seq}"), @"a brace of the key template has no partner; write tokens as {site}");
    insta::assert_snapshot!(refusal("/{site}/{seq}{ext}"), @"the key template has an empty, '.' or '..' segment; remove it");
    insta::assert_snapshot!(refusal("../{site}/{seq}{ext}"), @"the key template has an empty, '.' or '..' segment; remove it");
    insta::assert_snapshot!(refusal("a b/{site}/{seq}{ext}"), @"the key template holds ' '; use A-Z a-z 0-9 / _ - . = + ! , @ between its tokens");
    insta::assert_snapshot!(refusal(".livecosmos/{site}/{seq}"), @"the key template starts with '.livecosmos', which is kept for livecosmos; choose another");
    insta::assert_snapshot!(refusal(&format!("{}/{{site}}/{{seq}}", "a".repeat(250))), @"the key template is longer than 256 bytes; shorten it");
}

/// The key of an object with rows from `first` to `last`.
fn key_between(template: &str, chain: &ChainName, seq: u64, first: &str, last: &str) -> String {
    let (site, table) = (site("ALIC1"), table("COSMOS.LEVEL1_SOILMET_30MIN"));
    let (first, last): (Time, Time) = (first.parse().unwrap(), last.parse().unwrap());
    let from = Cursor::Row { time: first, tie: Tie::Integer(4) };
    let to = Cursor::Row { time: last, tie: Tie::Integer(9) };
    let content = Some(Content { from: &from, to: &to, first, last, bytes: b"abc" });
    let named = Named { site: &site, table: &table, chain, seq, ext: ".ndjson", content };
    KeyTemplate::parse(template).unwrap().key_of(&named)
}

#[test]
fn a_preset_is_a_template_with_a_name() {
    let key = |template| {
        key_between(template, &ChainName::LIVE, 7, "2025-01-02T22:30:00Z", "2025-01-02T23:59:59.999Z")
    };
    insta::assert_snapshot!(key("chain"), @"ALIC1/SOILMET_30MIN/00000000000000000007.ndjson");
    insta::assert_snapshot!(key("hive"), @"dataset=SOILMET_30MIN/site=ALIC1/date=2025-01-02/00000000000000000007.ndjson");
    insta::assert_snapshot!(key("iot-swarm"), @"ALIC1/LIVE_SOILMET_30MIN/1735862399999-900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(KeyTemplate::parse("chain"), Ok(KeyTemplate::default()));
    assert_eq!(KeyTemplate::default().preset(), Some("chain"));
    let late = |template| {
        key_between(template, &ChainName::LATE, 7, "2025-01-02T22:30:00Z", "2025-01-02T23:59:59.999Z")
    };
    insta::assert_snapshot!(late("hive"), @"dataset=SOILMET_30MIN/site=ALIC1/date=2025-01-02/late.00000000000000000007.ndjson");
    insta::assert_snapshot!(late("iot-swarm"), @"ALIC1/LIVE_SOILMET_30MIN/late.00000000000000000007.1735862399999-900150983cd24fb0d6963f7d28e17f72");
}

#[test]
fn each_token_has_a_value_that_a_path_can_hold() {
    let all = "{prefix}/{site}/{table}/{chain}/{year}/{month}/{day}/{hour}/{from}_{from_ms}_{to}_{to_ms}_{first}_{last}/{seq}{ext}";
    let key = key_between(all, &ChainName::LIVE, 7, "2025-01-02T22:30:00Z", "2025-01-02T22:59:59.000250Z");
    insta::assert_snapshot!(key, @"ALIC1/COSMOS.LEVEL1_SOILMET_30MIN/live/2025/01/02/22/20250102T223000Z_1735857000000_20250102T225959000250Z_1735858799000_20250102T223000Z_20250102T225959000250Z/00000000000000000007.ndjson");
    let digest = key_between(
        "{site}/{to_ms}-{sha256}{ext}",
        &ChainName::LIVE,
        7,
        "2025-01-02T22:30:00Z",
        "2025-01-02T22:30:00Z",
    );
    insta::assert_snapshot!(digest, @"ALIC1/1735857000000-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.ndjson");
}

#[test]
fn a_template_promises_what_its_tokens_allow() {
    let promise = |template: &str| KeyTemplate::parse(template).unwrap().promise();
    for template in ["chain", "{site}/{from}/{seq}{ext}", "a/{site}/{table}/{chain}/{from_ms}-{seq}"] {
        assert_eq!(promise(template), Promise::Always, "{template}");
    }
    assert_eq!(promise("hive"), Promise::OneWriter("date"));
    assert_eq!(promise("{site}/{seq}-{md5}"), Promise::OneWriter("md5"));
    assert_eq!(promise("iot-swarm"), Promise::AfterCrashes("to_ms"));
}

#[test]
fn keys_name_the_finest_part_of_time() {
    let partition = |template: &str| KeyTemplate::parse(template).unwrap().partition();
    assert_eq!(partition("chain"), None);
    assert_eq!(partition("hive"), Some(Partition::Day));
    assert_eq!(partition("{site}/{date}/{hour}/{seq}"), Some(Partition::Hour));
    assert_eq!(partition("{site}/{year}/{month}/{seq}"), Some(Partition::Month));
    assert_eq!(partition("{site}/{year}/{seq}"), Some(Partition::Year));
}

/// Literals and tokens in any order: most are refused, and those that are not must keep places apart.
fn templates() -> impl Strategy<Value = KeyTemplate> {
    let of_chain =
        prop::sample::select(vec!["{site}", "{table}", "{live_table}", "{chain}", "/", "_", "-", ".", "a"]);
    let changing = prop::sample::select(vec![
        "{from}",
        "{from_ms}",
        "{to}",
        "{to_ms}",
        "{first}",
        "{last}",
        "{date}",
        "{year}",
        "{month}",
        "{day}",
        "{hour}",
        "{md5}",
        "/",
        "_",
        "-",
        ".",
        "a",
        "0",
    ]);
    let end = prop::sample::select(vec!["{seq}{ext}", "{seq}", "{md5}{ext}", "{seq}-{md5}", "{seq}_{to}.x"]);
    (prop::collection::vec(of_chain, 0..6), prop::collection::vec(changing, 0..6), end)
        .prop_map(|(head, rest, end)| format!("{{site}}/{}{}{end}", head.concat(), rest.concat()))
        .prop_filter_map("refused", |text| KeyTemplate::parse(&text).ok())
}

/// Where an object begins and ends, and when its rows are of.
#[derive(Debug, Clone)]
struct Rows {
    from: Cursor,
    to: Cursor,
    first: Time,
    last: Time,
}

fn some_rows() -> impl Strategy<Value = Rows> {
    let cursor = |time: Time| {
        prop_oneof![
            Just(Cursor::Start),
            Just(Cursor::Row { time, tie: Tie::Text("a/b".into()) }),
            (0..3_u64, 0..20_u64)
                .prop_map(|(file, offset)| Cursor::File { file: FileId(file << 60), offset }),
        ]
    };
    let time = (-3_000_000_000..5_000_000_000_i64, prop::sample::select(vec![0, 5_000_000, 7_000, 1]));
    time.prop_flat_map(move |(seconds, nanos)| {
        let first = Time::new(seconds, nanos).unwrap();
        let last = Time::new(seconds + 1, nanos).unwrap();
        (cursor(first), cursor(last)).prop_map(move |(from, to)| Rows { from, to, first, last })
    })
}

proptest! {
    #[test]
    fn two_places_of_a_table_never_share_a_key(
        template in templates(),
        sites in prop::array::uniform2("[aA0_-]{1,3}"),
        chains in prop::array::uniform2(prop::sample::select(vec!["live", "late", "a", "a-a", "a0", "a00000000000000000001"])),
        seqs in prop::array::uniform2(0..3_u64),
        rows in prop::array::uniform2(some_rows()),
    ) {
        let table = table("T_a");
        let places = [0, 1].map(|i| (site(&sites[i]), ChainName::parse(chains[i]).unwrap(), seqs[i]));
        let key = |(site, chain, seq): &(SiteId, ChainName, u64), rows: &Rows, is_apart: bool| {
            let Rows { from, to, first, last } = rows;
            // Without a seq, the digest of the bytes tells two objects apart; here they are always alike.
            let content = Some(Content { from, to, first: *first, last: *last, bytes: b"" });
            let named = Named { site, table: &table, chain, seq: *seq, ext: ".json", content };
            if is_apart { template.key_apart(&named) } else { template.key_of(&named) }
        };
        for (place, rows) in places.iter().zip(&rows) {
            let key = key(place, rows, false);
            let (site, chain, seq) = place;
            let marks = template.marks_of(&table, &key);
            let is_marked = template.has_seq() || *chain != ChainName::LIVE;
            let expected = Marks { site: site.clone(), chain: chain.clone(), seq: is_marked.then_some(*seq) };
            prop_assert_eq!(marks, Some(expected), "{} {}", &template, &key);
            prop_assert_eq!(template.seq_of(site, &table, chain, &key), is_marked.then_some(*seq));
            prop_assert!(key.starts_with(&template.common_prefix(&table, Some(site))));
            prop_assert!(key.starts_with(&template.common_prefix(&table, None)));
            prop_assert!(!template.is_listed_by_seq() || key.starts_with(&template.stem(site, &table, chain, *seq)));
        }
        if template.has_seq() {
            for other_rows in &rows {
                let keys = [key(&places[0], &rows[0], false), key(&places[1], other_rows, false)];
                prop_assert!(places[0] == places[1] || keys[0] != keys[1], "{} {:?}", template, keys);
            }
        } else {
            let keys = [key(&places[0], &rows[0], true), key(&places[1], &rows[1], true)];
            prop_assert!(places[0] == places[1] || keys[0] != keys[1], "{} {:?}", template, keys);
            let marked = template.place_of(&table, &keys[0]);
            prop_assert_eq!(marked, Some(places[0].clone()), "{} {}", &template, &keys[0]);
            prop_assert!(!keys.contains(&key(&places[0], &rows[0], false)) || places[0].1 != ChainName::LIVE);
        }
    }

    /// What is listed from a bound on is all that may hold later rows.
    #[test]
    fn no_object_with_later_rows_stands_before_the_bound(
        template in templates(),
        rows in some_rows(),
        chain in prop::sample::select(vec!["live", "late", "a0"]),
        seq in 0..3_u64,
        at in (-3_000_000_000..5_000_000_000_i64, 0..3_u64),
    ) {
        let (site, table, chain) = (site("S"), table("T_a"), ChainName::parse(chain).unwrap());
        let (at, least) = (Time::new(at.0, 0).unwrap(), at.1);
        let Some(bound) = template.bound(&table, &site, at, least) else { return Ok(()) };
        prop_assert!(bound.starts_with(&template.common_prefix(&table, Some(&site))));
        let Rows { from, to, first, last } = &rows;
        // All rows of an object lie in one partition.
        let first = if template.partition().is_some_and(|it| !it.span(*first).holds(*last)) { last } else { first };
        let content = Some(Content { from, to, first: *first, last: *last, bytes: b"" });
        let key = template.key_of(&Named { site: &site, table: &table, chain: &chain, seq, ext: "", content });
        if *last >= at && seq >= least && first.seconds >= 1_000_000_000 {
            prop_assert!(key >= bound, "{} {key} {bound}", template);
        }
    }
}
