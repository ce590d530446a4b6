//! What changes do to a state.

use livecosmos_state::TableName;

use super::*;

fn facts(seq: u64, from: Cursor, to: Cursor) -> Facts {
    Facts {
        table: TableName::parse("T").unwrap(),
        site: SiteId::parse("A").unwrap(),
        chain: ChainName::LIVE,
        seq,
        from,
        to,
        next: None,
        is_resend: false,
        rows: 1,
        last_data: Time::new(100, 0).unwrap(),
        digest: [0; 32],
        config: String::new(),
        instance: String::new(),
        generation: 1,
        contents: crate::sink::Contents::default(),
    }
}

fn place(offset: u64) -> Cursor {
    Cursor::File { file: FileId(7), offset }
}

#[test]
fn only_the_object_that_begins_where_the_chain_ends_continues_it() {
    let mut position = Position::start(None);
    assert!(position.follow(&facts(0, Cursor::Start, place(10))));
    for (seq, from) in [(1, place(9)), (1, place(11)), (2, place(10)), (0, place(10)), (1, Cursor::Start)] {
        let before = position.clone();
        assert!(!position.follow(&facts(seq, from.clone(), place(20))), "{seq} {from}");
        assert_eq!(position, before, "what does not continue the chain moves nothing");
    }
    assert!(position.follow(&facts(1, place(10), place(20))));
    assert_eq!((position.seq, position.cursor), (2, place(20)));
}

fn intent(seq: u64, rows: u64) -> Box<Intent> {
    let at = Time::new(100, 0).unwrap();
    let (from, to) = (place(seq), place(seq + 1));
    let key = String::new();
    Box::new(Intent { seq, from, to, next: None, key, rows, last_data: at, digest: [0; 32], since: at })
}

#[test]
fn rows_are_counted_by_what_they_are_once_the_sink_has_them_and_not_before() {
    let mut state = State::new(TableName::parse("T").unwrap(), "");
    let site = SiteId::parse("A").unwrap();
    let fill = |kind| Fill {
        kind,
        since: Time::new(0, 0).unwrap(),
        after: Cursor::Start,
        until: place(9),
        window: Window::default(),
        chain: Chain::new(),
    };
    let named = |name: &str| ChainName::parse(name).unwrap();
    let mut apply = |change: Change| {
        change.apply(&mut state);
        state.sites[&site].sent
    };
    let tally = |rows, late, resent| Tally { rows, late, resent };
    apply(Change::Opened { site: site.clone(), chain: named("c"), fill: Box::new(fill(FillKind::CatchUp)) });
    apply(Change::Opened { site: site.clone(), chain: named("r"), fill: Box::new(fill(FillKind::Resend)) });
    for (chain, rows, expected) in [
        (ChainName::LIVE, 5, tally(5, 0, 0)),
        (ChainName::LATE, 2, tally(5, 2, 0)),
        (ChainName::REQUEUE, 1, tally(6, 2, 0)),
        (named("c"), 10, tally(16, 2, 0)),
        (named("r"), 7, tally(16, 2, 7)),
    ] {
        let (site, intent, sent) = (site.clone(), intent(0, rows), Sent::default());
        let before = apply(Change::Ran { now: Time::new(0, 0).unwrap() });
        let intended = Change::Intended { site: site.clone(), chain: chain.clone(), intent: intent.clone() };
        assert_eq!(apply(intended), before, "{chain}");
        assert_eq!(apply(Change::Stored { site, chain, intent, rows: sent }), expected);
    }
    let mut position = Position::of(&state.sites[&site], &ChainName::LIVE).unwrap();
    let objects = [facts(1, place(1), place(2)), facts(2, place(2), place(3))];
    assert!(objects.iter().all(|facts| position.follow(facts)));
    let (chain, rows) = (ChainName::LIVE, Sent::default());
    let change = Change::Adopted { site: site.clone(), chain, position, rows };
    change.apply(&mut state);
    assert_eq!(state.sites[&site].sent, tally(18, 2, 7), "what another writer stored is counted, too");
}
