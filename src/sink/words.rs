//! What servers say, as a part of our own messages.

/// How far a clock may be off before a server refuses what it signed.
pub(super) const SKEW_S_MAX: i64 = 15 * 60;

/// How much of a server's own words goes into a message.
const WORDS_CHARS_MAX: usize = 300;

/// Someone else's words as a part of our sentence, whose one semicolon comes before the remedy.
pub(super) fn one_clause(words: &str) -> String {
    let printable = words.chars().filter(|letter| !letter.is_control()).take(WORDS_CHARS_MAX);
    printable.map(|letter| if letter == ';' { ',' } else { letter }).collect()
}

/// Status, code and words of an answer in one clause.
pub(super) fn said(status: u16, code: &str, words: &str) -> String {
    let mut said = format!("the server answered {status}");
    if !code.is_empty() {
        said.push(' ');
        said.push_str(code);
    }
    if !words.is_empty() && words != code {
        said.push_str(" (");
        said.push_str(words.trim_end_matches('.'));
        said.push(')');
    }
    said
}

/// Seconds since 1970 of an HTTP date, `Sat, 21 Nov 2026 02:00:00 GMT`.
pub(super) fn server_time_s(date: &str) -> Option<i64> {
    let time = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(time.timestamp().as_second())
}

/// Whether a clock that is so far ahead is refused.
pub(super) fn is_skewed(ahead_s: Option<i64>) -> bool {
    ahead_s.is_some_and(|ahead_s| ahead_s.abs() > SKEW_S_MAX)
}

/// Says that our clock, so many seconds ahead of the server's, is why it refused.
pub(super) fn skewed(ahead_s: Option<i64>) -> String {
    let skew = match ahead_s {
        Some(ahead @ 0..) => format!("this machine's clock is {ahead} s ahead of the server's"),
        Some(behind) => format!("this machine's clock is {} s behind the server's", -behind),
        None => "this machine's clock and the server's differ".to_owned(),
    };
    format!("{skew}, which the server refuses; set the clock, as by 'timedatectl set-ntp true'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anothers_words_end_no_clause_of_ours() {
        assert_eq!(one_clause("a; b\r\nc"), "a, bc");
        assert_eq!(said(400, "InvalidTag", "Too long."), "the server answered 400 InvalidTag (Too long)");
        assert_eq!(said(503, "", ""), "the server answered 503");
    }

    #[test]
    fn a_servers_time_is_read_from_its_date() {
        assert_eq!(server_time_s("Sat, 21 Nov 2026 02:00:00 GMT"), Some(1_795_226_400));
        assert!(is_skewed(Some(-1200)) && !is_skewed(Some(60)) && !is_skewed(None));
    }
}
