//! Days and times of the day as texts.

use super::number::fraction_digits;
use super::spelling::{Style, ZONES};
use super::value::Fit;

const SECONDS_PER_DAY: i64 = 86_400;
/// 0000-01-01 and 9999-12-31, in days since 1970: years of four digits.
const DAYS: std::ops::RangeInclusive<i64> = -719_528..=2_932_896;

/// Counts what a clock shows since 1970.
#[derive(Debug, Clone, Copy)]
pub(in crate::payload) struct Clock {
    /// It shows UTC; else nobody knows which zone.
    pub(in crate::payload) is_instant: bool,
    /// In nanoseconds, else in microseconds.
    pub(in crate::payload) is_nanos: bool,
}

impl Clock {
    fn digits(self) -> u8 {
        if self.is_nanos { 9 } else { 6 }
    }

    /// The count of a time, and whether it is finer than that.
    pub(super) fn count(self, seconds: i64, nanos: u32) -> Fit<i64> {
        let per_second = 10_i64.pow(self.digits().into());
        let unit_nanos = 10_u32.pow(9 - u32::from(self.digits()));
        let whole = seconds.checked_mul(per_second);
        let Some(count) = whole.and_then(|whole| whole.checked_add((nanos / unit_nanos).into())) else {
            return Fit::Not;
        };
        if nanos.is_multiple_of(unit_nanos) { Fit::Whole(count) } else { Fit::Cut(count) }
    }

    /// Reads a day and a time of the day as ISO 8601 has them, with a `T` or a space between; the day alone is
    /// its first instant.
    pub(super) fn read(self, text: &str) -> Fit<i64> {
        match self.parse(text) {
            Some((seconds, nanos)) => self.count(seconds, nanos),
            None => Fit::Not,
        }
    }

    fn parse(self, text: &str) -> Option<(i64, u32)> {
        let (date, behind) = text.split_at_checked(10)?;
        let day = i64::from(read_date(date)?) * SECONDS_PER_DAY;
        if behind.is_empty() {
            return Some((day, 0));
        }
        let clock = behind.strip_prefix(['T', ' '])?;
        let [h0, h1, b':', m0, m1, b':', s0, s1, ..] = *clock.as_bytes() else { return None };
        let (hour, minute, second) = (pair(h0, h1, 24)?, pair(m0, m1, 60)?, pair(s0, s1, 60)?);
        let (fraction, zone) = split_fraction(clock.get(8..)?)?;
        let offset = self.offset(zone)?;
        Some((day + i64::from(hour * 3_600 + minute * 60 + second) - offset, fraction))
    }

    /// Seconds that the clock is ahead of UTC. What shows no zone has none that could be told.
    fn offset(self, zone: &str) -> Option<i64> {
        match zone {
            "" => return Some(0),
            _ if !self.is_instant => return None,
            "Z" | "z" => return Some(0),
            _ => {}
        }
        let sign = if zone.starts_with('-') { -1 } else { 1 };
        let digits: Vec<u8> = zone.strip_prefix(['+', '-'])?.bytes().filter(|byte| *byte != b':').collect();
        let seconds = match *digits {
            [h0, h1] => pair(h0, h1, 24)? * 3_600,
            [h0, h1, m0, m1] => pair(h0, h1, 24)? * 3_600 + pair(m0, m1, 60)? * 60,
            _ => return None,
        };
        Some(sign * i64::from(seconds))
    }

    /// Appends what `style` makes of a count; false outside of the years 0 to 9999.
    pub(super) fn spell(self, count: i64, style: &Style, out: &mut String) -> bool {
        use std::fmt::Write as _;
        let per_second = 10_i64.pow(self.digits().into());
        let (seconds, rest) = (count.div_euclid(per_second), count.rem_euclid(per_second));
        if !push_date(out, seconds.div_euclid(SECONDS_PER_DAY)) {
            return false;
        }
        out.push(char::from(style.separator));
        let second = seconds.rem_euclid(SECONDS_PER_DAY);
        push_pair(out, second / 3_600);
        out.push(':');
        push_pair(out, second / 60 % 60);
        out.push(':');
        let from = out.len();
        push_pair(out, second % 60);
        if rest != 0 || style.fraction > 0 {
            let _ = write!(out, ".{rest:0width$}", width = usize::from(self.digits()));
            super::value::fit_fraction(out, from, style.fraction);
        }
        out.push_str(style.zone);
        true
    }
}

/// What a text that was read as a time has in common with others.
pub(super) fn style_of(text: &str) -> Style {
    let separator = text.as_bytes().get(10).copied().unwrap_or(b' ');
    let clock = text.get(11..).unwrap_or_default();
    let behind = clock.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ':' | '.'));
    let zone = ZONES.into_iter().find(|zone| *zone == behind).unwrap_or_default();
    let fraction = u8::try_from(fraction_digits(clock)).unwrap_or(u8::MAX);
    Style { fraction, separator, zone }
}

/// Nanoseconds, and what stands behind the fraction.
fn split_fraction(text: &str) -> Option<(u32, &str)> {
    let Some(behind) = text.strip_prefix('.') else { return Some((0, text)) };
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, zone) = behind.split_at_checked(digits)?;
    if !(1..=9).contains(&digits) {
        return None;
    }
    let nanos = fraction.parse::<u32>().ok()? * 10_u32.pow(9 - u32::try_from(digits).ok()?);
    Some((nanos, zone))
}

/// Reads `2025-01-02`, as days since 1970.
pub(super) fn read_date(text: &str) -> Option<i32> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *text.as_bytes() else { return None };
    let year = i16::try_from(pair(y0, y1, 100)? * 100 + pair(y2, y3, 100)?).ok()?;
    let part = |tens, ones| i8::try_from(pair(tens, ones, 100)?).ok();
    let date = jiff::civil::Date::new(year, part(m0, m1)?, part(d0, d1)?).ok()?;
    Some((date - EPOCH).get_days())
}

const EPOCH: jiff::civil::Date = jiff::civil::Date::constant(1970, 1, 1);

/// Appends the day that lies `days` after 1970-01-01; false where its year has not four digits.
pub(super) fn push_date(out: &mut String, days: i64) -> bool {
    use std::fmt::Write as _;
    if !DAYS.contains(&days) {
        return false;
    }
    let Some(date) =
        i32::try_from(days).ok().and_then(|days| EPOCH.checked_add(jiff::Span::new().days(days)).ok())
    else {
        return false;
    };
    write!(out, "{date}").is_ok()
}

fn push_pair(out: &mut String, number: i64) {
    for digit in [number / 10 % 10, number % 10] {
        out.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
    }
}

fn pair(tens: u8, ones: u8, end: u32) -> Option<u32> {
    let digit = |byte: u8| char::from(byte).to_digit(10);
    Some(digit(tens)? * 10 + digit(ones)?).filter(|number| *number < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_sources_spell_them() {
        let instant = Clock { is_instant: true, is_nanos: false };
        let local = Clock { is_instant: false, is_nanos: false };
        for (text, of_instant, of_local) in [
            ("1970-01-02", Fit::Whole(86_400_000_000), Fit::Whole(86_400_000_000)),
            ("1970-01-01 00:00:01.5", Fit::Whole(1_500_000), Fit::Whole(1_500_000)),
            ("1970-01-01T00:00:01Z", Fit::Whole(1_000_000), Fit::Not),
            ("1970-01-01 01:00:00+01", Fit::Whole(0), Fit::Not),
            ("1970-01-01 00:00:00-01:30", Fit::Whole(5_400_000_000), Fit::Not),
            ("1969-12-31 23:59:59.999999", Fit::Whole(-1), Fit::Whole(-1)),
            ("1970-01-01 00:00:00.0000015", Fit::Cut(1), Fit::Cut(1)),
            ("infinity", Fit::Not, Fit::Not),
            ("0044-03-15 BC", Fit::Not, Fit::Not),
            ("0000-00-00 00:00:00", Fit::Not, Fit::Not),
            ("2025-02-29 00:00:00", Fit::Not, Fit::Not),
            ("2025-01-01 24:00:00", Fit::Not, Fit::Not),
            ("2025-01-01 00:00:00.", Fit::Not, Fit::Not),
            ("ééééé", Fit::Not, Fit::Not),
        ] {
            assert_eq!(instant.read(text), of_instant, "{text}");
            assert_eq!(local.read(text), of_local, "{text}");
        }
        let nanos = Clock { is_instant: true, is_nanos: true };
        assert_eq!(nanos.read("1970-01-01 00:00:00.000000001"), Fit::Whole(1));
        assert_eq!(nanos.read("2300-01-01 00:00:00"), Fit::Not);
    }

    #[test]
    fn a_time_in_the_style_of_its_column_is_spelled_as_it_was() {
        let clock = Clock { is_instant: true, is_nanos: false };
        for text in [
            "2025-01-02 03:04:05+00",
            "2025-01-02 03:04:05.500+00:00",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999",
            "1969-12-31 23:59:59.25",
        ] {
            let Fit::Whole(count) = clock.read(text) else { panic!("{text}") };
            let mut out = String::new();
            assert!(clock.spell(count, &style_of(text), &mut out));
            assert_eq!(out, text);
        }
        assert!(!clock.spell(i64::MAX, &style_of(""), &mut String::new()));
    }
}
