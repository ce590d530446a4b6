use super::*;

/// `{'last_run': t, 'sites': {'A': {'site_id': 'A', 'last_data': t}}}` with t = 2025-01-02 03:04:05.000006,
/// as `CPython` 3.13 writes it in protocol 4.
const PICKLE: &[u8] = b"\x80\x04\x95\x66\0\0\0\0\0\0\0}\x94(\x8c\x08last_run\x94\x8c\x08datetime\x94\x8c\x08datetime\x94\x93\x94C\x0a\x07\xe9\x01\x02\x03\x04\x05\0\0\x06\x94\x85\x94R\x94\x8c\x05sites\x94}\x94\x8c\x01A\x94}\x94(\x8c\x07site_id\x94h\x0a\x8c\x09last_data\x94h\x07usu.";

fn predecessor() -> Predecessor {
    let time = Local("2025-01-02T03:04:05.000006".into());
    Predecessor { last_run: Some(time.clone()), sites: BTreeMap::from([("A".to_owned(), time)]) }
}

#[test]
fn a_state_is_read_as_it_was_meant() {
    assert_eq!(read(PICKLE), Ok(predecessor()));
}

#[test]
fn every_truncation_is_refused() {
    for len in 0..PICKLE.len() {
        assert!(read(&PICKLE[..len]).is_err(), "{len} bytes");
    }
    assert!(read(&[PICKLE, b"."].concat()).is_err(), "a byte too many");
}

#[test]
fn no_flipped_byte_makes_it_panic() {
    for at in 0..PICKLE.len() {
        for byte in 0..=u8::MAX {
            let mut damaged = PICKLE.to_vec();
            damaged[at] = byte;
            // What a flip in a text or date says cannot be told from what was meant.
            let _ = read(&damaged);
        }
    }
}

#[test]
fn a_short_pickle_that_claims_much_is_refused() {
    for claim in [
        &b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f"[..],
        b"\x80\x02X\xff\xff\xff\xff",
        b"\x80\x04j\xff\xff\xff\xff",
    ] {
        assert!(read(claim).is_err());
    }
    let deep = [&b"\x80\x04"[..], &b")\x85".repeat(100_000), b"."].concat();
    assert!(read(&deep).is_err());
}

#[test]
fn a_name_is_refused_before_anything_could_be_called() {
    for (pickle, name) in [
        (&b"\x80\x02cos\nsystem\n."[..], "os.system"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "builtins.eval"),
        (b"\x80\x02cdatetime\ntimezone\n.", "datetime.timezone"),
    ] {
        let refusal = read(pickle).unwrap_err();
        assert!(refusal.contains(&format!("it names \"{name}\", which is not run")), "{refusal}");
    }
}
