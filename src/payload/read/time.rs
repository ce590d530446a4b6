//! Reads times as payloads spell them.

use livecosmos_state::Time;

use crate::rows::RowTime;

/// Digits of a second that a time may have.
const DIGITS_MAX: usize = 9;

/// Reads times; remembers the day, which one row mostly shares with the next.
#[derive(Debug, Default)]
pub(super) struct TimeParser {
    date: String,
    /// Seconds from 1970 to the start of `date`.
    day_start_s: i64,
}

impl TimeParser {
    /// Reads `YYYY-MM-DDTHH:MM:SS`, with or without a fraction and a `Z`: always UTC.
    pub(super) fn parse(&mut self, text: &str) -> Option<RowTime> {
        let (date, clock) = text.strip_suffix('Z').unwrap_or(text).split_once('T')?;
        if self.date.is_empty() || date != self.date {
            self.turn_to(date)?;
        }
        let (clock, fraction) =
            clock.split_once('.').map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
        let [h0, h1, b':', m0, m1, b':', s0, s1] = *clock.as_bytes() else { return None };
        let (hour, minute, second) = (pair(h0, h1, 24)?, pair(m0, m1, 60)?, pair(s0, s1, 60)?);
        let (nanos, digits) = fraction.map_or(Some((0, 0)), parse_fraction)?;
        let seconds = self.day_start_s + i64::from(hour * 3_600 + minute * 60 + second);
        Some(RowTime { time: Time::new(seconds, nanos).ok()?, digits })
    }

    fn turn_to(&mut self, date: &str) -> Option<()> {
        let start: Time = format!("{date}T00:00:00Z").parse().ok()?;
        self.day_start_s = start.seconds;
        date.clone_into(&mut self.date);
        Some(())
    }
}

fn pair(tens: u8, ones: u8, end: u32) -> Option<u32> {
    let digit = |byte: u8| char::from(byte).to_digit(10);
    Some(digit(tens)? * 10 + digit(ones)?).filter(|number| *number < end)
}

/// Nanoseconds, and how many digits say them.
fn parse_fraction(text: &str) -> Option<(u32, u8)> {
    let is_fraction =
        (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = u8::try_from(text.len()).ok().filter(|_| is_fraction)?;
    let nanos = text.parse::<u32>().ok()? * 10_u32.pow(9 - u32::from(digits));
    Some((nanos, digits))
}
