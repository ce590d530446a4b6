//! Spells the time of a row, with the digits its source wrote.

use livecosmos_state::Time;

use crate::rows::RowTime;

const SECONDS_PER_DAY: i64 = 86_400;

/// Longest spelling of a time, with its quotes.
pub(super) const TIME_BYTES_MAX: usize = 32;

/// Spells times; remembers the day, which one row mostly shares with the next.
#[derive(Debug, Default)]
pub(super) struct TimeSpeller {
    day: Option<i64>,
    date: String,
}

impl TimeSpeller {
    /// Appends `YYYY-MM-DDTHH:MM:SS` and, if `digits` is not 0, a point and so many digits.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, time: Time, digits: u8) {
        let day = time.seconds.div_euclid(SECONDS_PER_DAY);
        if self.day != Some(day) {
            self.turn_to(day, time);
        }
        out.extend_from_slice(self.date.as_bytes());
        let second = time.seconds.rem_euclid(SECONDS_PER_DAY).unsigned_abs();
        for (separator, number) in [(b'T', second / 3_600), (b':', second / 60 % 60), (b':', second % 60)] {
            out.push(separator);
            push_digits(out, number, 2);
        }
        let digits = digits.min(9);
        if digits > 0 {
            out.push(b'.');
            push_digits(out, u64::from(time.nanos / 10_u32.pow(9 - u32::from(digits))), digits);
        }
    }

    fn turn_to(&mut self, day: i64, time: Time) {
        self.day = Some(day);
        self.date = time.to_string();
        self.date.truncate(self.date.find('T').unwrap_or(self.date.len()));
    }
}

/// Appends the time of a row as RFC 3339 in UTC, quoted.
pub(super) fn push_rfc3339(out: &mut Vec<u8>, speller: &mut TimeSpeller, time: RowTime) {
    out.push(b'"');
    speller.push(out, time.time, time.digits);
    out.extend_from_slice(b"Z\"");
}

fn push_digits(out: &mut Vec<u8>, number: u64, digits: u8) {
    let mut rest = number;
    let mut text = [b'0'; 9];
    let text = &mut text[..usize::from(digits)];
    for digit in text.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spelled(speller: &mut TimeSpeller, seconds: i64, nanos: u32, digits: u8) -> String {
        let mut out = Vec::new();
        push_rfc3339(&mut out, speller, RowTime { time: Time::new(seconds, nanos).unwrap(), digits });
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_time_keeps_the_digits_its_source_wrote() {
        let expected = [
            (0, "2025-01-02T03:04:05"),
            (1, "2025-01-02T03:04:05.0"),
            (3, "2025-01-02T03:04:05.062"),
            (6, "2025-01-02T03:04:05.062500"),
            (9, "2025-01-02T03:04:05.062500000"),
        ];
        let mut speller = TimeSpeller::default();
        for (digits, text) in expected {
            let shown = spelled(&mut speller, 1_735_787_045, 62_500_000, digits);
            assert_eq!(shown, format!("\"{text}Z\""));
        }
    }

    #[test]
    fn the_date_turns_at_midnight_and_may_turn_back() {
        let mut speller = TimeSpeller::default();
        for (seconds, text) in [
            (1_735_689_599, "2024-12-31T23:59:59"),
            (1_735_689_600, "2025-01-01T00:00:00"),
            (-1, "1969-12-31T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
        ] {
            assert_eq!(spelled(&mut speller, seconds, 0, 0), format!("\"{text}Z\""));
        }
    }

    proptest! {
        #[test]
        fn nine_digits_are_those_of_jiff(seconds in -62_167_219_200..253_402_207_200_i64, nanos in 0..1_000_000_000_u32) {
            let timestamp = crate::clock::to_timestamp(Time::new(seconds, nanos).unwrap()).unwrap();
            let shown = spelled(&mut TimeSpeller::default(), seconds, nanos, 9);
            prop_assert_eq!(shown, format!("\"{timestamp:.9}\""));
        }
    }
}
