//! Durations and sizes as people write them: `"90m"`, `"1h 30m"`, `"8 MiB"`.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// The longest duration that is read; what is longer is a slip of the pen.
const DURATION_DAYS_MAX: u64 = 36_500;
const MS_PER_DAY: u64 = 86_400_000;

const DURATION_RULE: &str =
    "write a number and a unit such as \"500ms\", \"60s\", \"90m\", \"3h\", \"2d\" or \"1w\"";
const SIZE_RULE: &str = "write a whole number and a unit such as \"500 kB\", \"8 MiB\" or \"1 GiB\"";

/// A duration in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HumanDuration(pub(crate) Duration);

/// A number of bytes in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HumanSize(pub(crate) u64);

/// Reads one or more numbers, each with its unit: `90m`, `1h 30m`, `500 ms`.
///
/// # Errors
/// A message that names the text and, after a semicolon, what to write.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("'{text}' is no duration; {DURATION_RULE}");
    let too_long = || format!("'{text}' is longer than {DURATION_DAYS_MAX} days; {DURATION_RULE}");
    let mut rest = text.trim();
    let mut total_ms: u64 = 0;
    if rest.is_empty() {
        return Err(refused());
    }
    while !rest.is_empty() {
        let (number, unit, after) = split_term(rest).ok_or_else(refused)?;
        let unit_ms = duration_unit_ms(unit).ok_or_else(refused)?;
        let term_ms = number.checked_mul(unit_ms).ok_or_else(too_long)?;
        total_ms = total_ms.checked_add(term_ms).ok_or_else(too_long)?;
        rest = after;
    }
    if total_ms > DURATION_DAYS_MAX * MS_PER_DAY {
        return Err(too_long());
    }
    Ok(Duration::from_millis(total_ms))
}

/// Reads a whole number of bytes with its unit: `8 MiB`, `500kB`, `1024 B`.
///
/// # Errors
/// As [`parse_duration`].
pub fn parse_size(text: &str) -> Result<u64, String> {
    let refused = || format!("'{text}' is no size; {SIZE_RULE}");
    let (number, unit, rest) = split_term(text.trim()).ok_or_else(refused)?;
    if !rest.is_empty() {
        return Err(refused());
    }
    let unit_bytes = size_unit_bytes(unit).ok_or_else(refused)?;
    number.checked_mul(unit_bytes).ok_or_else(refused)
}

/// Spells a duration with the largest units that keep it whole: `1h 30m`.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let mut rest_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut terms = Vec::new();
    for (unit, unit_ms) in [("d", MS_PER_DAY), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest_ms >= unit_ms {
            terms.push(format!("{}{unit}", rest_ms / unit_ms));
            rest_ms %= unit_ms;
        }
    }
    if terms.is_empty() { "0s".to_owned() } else { terms.join(" ") }
}

/// Spells a number of bytes with the largest binary unit that keeps it whole: `8 MiB`.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    let whole = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        .into_iter()
        .find(|(_, unit_bytes)| bytes >= *unit_bytes && bytes.is_multiple_of(*unit_bytes));
    whole.map_or_else(|| format!("{bytes} B"), |(unit, unit_bytes)| format!("{} {unit}", bytes / unit_bytes))
}

/// Number, unit and what follows them.
fn split_term(text: &str) -> Option<(u64, &str, &str)> {
    let (digits, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let rest = rest.trim_start();
    let unit_len = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_len);
    Some((digits.parse().ok()?, unit, rest.trim_start()))
}

fn duration_unit_ms(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" | "sec" | "second" | "seconds" => 1_000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => MS_PER_DAY,
        "w" | "week" | "weeks" => 7 * MS_PER_DAY,
        _ => return None,
    })
}

fn size_unit_bytes(unit: &str) -> Option<u64> {
    Some(match unit {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    })
}

/// Reads a string with `parse`; a bare number is answered with the rule, since the unit is missing.
struct Human<T> {
    rule: &'static str,
    parse: fn(&str) -> Result<T, String>,
}

impl<T> Visitor<'_> for Human<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a text in quotes; {}", self.rule)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        Err(E::custom(format!("{number} has no unit; {}", self.rule)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Human { rule: DURATION_RULE, parse: parse_duration }).map(Self)
    }
}

impl<'de> Deserialize<'de> for HumanSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Human { rule: SIZE_RULE, parse: parse_size }).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, ms) in [
            ("500ms", 500),
            ("60s", 60_000),
            (" 90 m ", 5_400_000),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            ("3 hours", 10_800_000),
            ("2d", 172_800_000),
            ("1 week", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("8 MiB", 8 << 20),
            ("500 kB", 500_000),
            ("500KB", 500_000),
            ("1GiB", 1 << 30),
            ("17 B", 17),
            ("1 KiB", 1024),
            ("2 MB", 2_000_000),
            ("1 GB", 1_000_000_000),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_or_size_is_refused_with_what_to_write() {
        for text in
            ["", " ", "60", "s", "1.5h", "-3h", "3 fortnights", "3h x", "99999999999999999999s", "40000d"]
        {
            let message = parse_duration(text).unwrap_err();
            assert!(
                message.starts_with(&format!("'{text}' is ")) && message.contains("; write "),
                "{message}"
            );
        }
        for text in
            ["", "8", "MiB", "1.5 MiB", "8 mib 3", "8 M", "99999999999999999999 B", "18446744073709551615 kB"]
        {
            let message = parse_size(text).unwrap_err();
            assert!(
                message.starts_with(&format!("'{text}' is ")) && message.contains("; write "),
                "{message}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(ms in 0..DURATION_DAYS_MAX * MS_PER_DAY, bytes in 0..u64::MAX) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
            prop_assert_eq!(parse_size(&show_size(bytes)), Ok(bytes));
        }
    }
}
