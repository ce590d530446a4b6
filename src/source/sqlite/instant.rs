//! Times as `SQLite` stores them: ISO 8601 texts, or numbers since 1970-01-01.

use livecosmos_state::Time;
use rusqlite::types::{Value, ValueRef};

use super::TimeUnit;
use crate::clock;
use crate::rows::RowTime;
use crate::source::{SourceError, TimeReader};

const NANOS_PER_SECOND: i128 = 1_000_000_000;
/// Local time and UTC are less than this apart: 25:59:59 is the largest offset that is read.
const OFFSET_MAX_S: i64 = 26 * 3_600;
const SECONDS_PER_DAY: i64 = 86_400;

/// What kinds of values a time column holds, of one site or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Storage {
    /// Numbers only.
    Numbers,
    /// Texts only; `SQLite` sorts blobs behind them.
    Texts,
    /// Both: `SQLite` sorts all numbers before all texts.
    Mixed,
}

impl Storage {
    /// From `typeof` of the first and of the last value by `SQLite`'s order.
    pub(super) fn between(first: &str, last: &str) -> Self {
        let is_number = |class| matches!(class, "integer" | "real");
        match (is_number(first), is_number(last)) {
            (true, true) => Self::Numbers,
            (false, false) => Self::Texts,
            _ => Self::Mixed,
        }
    }
}

/// Reads stored times, and says from which stored value on a time may be found.
#[derive(Debug, Clone)]
pub(super) struct InstantReader {
    texts: TimeReader,
    unit: TimeUnit,
}

impl InstantReader {
    /// Fails where texts are declared to be of a form that does not sort by its date.
    pub(super) fn new(texts: TimeReader, unit: TimeUnit) -> Result<Self, SourceError> {
        const ISO: [&str; 6] = [
            "2001-02-03T04:05:06",
            "2001-02-03 04:05:06",
            "2001-02-03T04:05",
            "2001-02-03 04:05",
            "2001-02-03T04:05:06Z",
            "2001-02-03 04:05:06.789",
        ];
        if ISO.iter().any(|text| texts.read(text).is_ok()) {
            return Ok(Self { texts, unit });
        }
        Err(SourceError::Config(
            "this time_format does not begin with year-month-day, so SQLite cannot find rows by it; remove \
             time_format, and store times as 2025-01-02T03:04:05 or as numbers since 1970"
                .to_owned(),
        ))
    }

    /// The instant of a stored value, or why it is none.
    pub(super) fn read(&self, stored: ValueRef<'_>) -> Result<RowTime, String> {
        match stored {
            ValueRef::Null => Err("the row has no time; give it one".to_owned()),
            ValueRef::Blob(_) => Err("the time is a blob; store it as text or number".to_owned()),
            ValueRef::Integer(number) => self.of_integer(number).ok_or_else(|| self.out_of_range(&number)),
            ValueRef::Real(number) => self.of_real(number).ok_or_else(|| self.out_of_range(&number)),
            ValueRef::Text(bytes) => {
                let text =
                    std::str::from_utf8(bytes).map_err(|_| "the time is not UTF-8; store it as text")?;
                self.texts.read(text).map_err(|error| error.to_string())
            }
        }
    }

    /// A stored value that no value of `lowest` or later sorts before.
    ///
    /// For texts this is the date alone, in the zone farthest behind UTC: right for `T` or a space,
    /// any fraction and any offset, and at most some days before `lowest`.
    pub(super) fn lower_bound(&self, storage: Storage, lowest: Option<Time>) -> Value {
        match (storage, lowest) {
            (Storage::Texts, Some(time)) => {
                let date = clock::shift(time, -OFFSET_MAX_S).to_string();
                let date = date.split('T').next().unwrap_or_default();
                Value::Text(if date.starts_with('-') { String::new() } else { date.to_owned() })
            }
            (Storage::Texts, None) => Value::Text(String::new()),
            (Storage::Numbers, Some(time)) => {
                let units = nanos(time).div_euclid(self.nanos_per_unit()) - 1;
                i64::try_from(units).map_or(Value::Real(f64::NEG_INFINITY), Value::Integer)
            }
            (Storage::Numbers, None) | (Storage::Mixed, _) => Value::Real(f64::NEG_INFINITY),
        }
    }

    /// A stored value that no value of `highest` or earlier sorts behind.
    ///
    /// As the lower bound: the first date that begins later in every zone.
    pub(super) fn upper_bound(&self, storage: Storage, highest: Option<Time>) -> Value {
        let above_all = || Value::Blob(vec![0xff]);
        match (storage, highest) {
            (Storage::Texts, Some(time)) => {
                let date = clock::shift(time, OFFSET_MAX_S + SECONDS_PER_DAY).to_string();
                let date = date.split('T').next().unwrap_or_default();
                if date.starts_with('-') { above_all() } else { Value::Text(date.to_owned()) }
            }
            (Storage::Numbers, Some(time)) => {
                let units = nanos(time).div_euclid(self.nanos_per_unit()) + 1;
                i64::try_from(units).map_or(Value::Real(f64::INFINITY), Value::Integer)
            }
            (Storage::Texts | Storage::Numbers, None) | (Storage::Mixed, _) => above_all(),
        }
    }

    /// Bytes that sort as the instants do; `None` for what is no time.
    pub(super) fn sort_key(&self, stored: ValueRef<'_>) -> Option<Vec<u8>> {
        let time = self.read(stored).ok()?.time;
        let seconds = time.seconds.cast_unsigned() ^ (1 << 63);
        Some([&seconds.to_be_bytes()[..], &time.nanos.to_be_bytes()].concat())
    }

    fn of_integer(&self, number: i64) -> Option<RowTime> {
        let time = time(i128::from(number) * self.nanos_per_unit())?;
        Some(RowTime { time, digits: self.unit_digits() })
    }

    /// By the shortest decimal that stands for `number`, so that 0.1 s is 100 ms and no hair less.
    fn of_real(&self, number: f64) -> Option<RowTime> {
        let text = format!("{number}");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let kept = fraction.get(..usize::from(9 - self.unit_digits())).unwrap_or(fraction);
        let unit = self.nanos_per_unit();
        let of_whole = whole.parse::<i128>().ok()?.checked_mul(unit)?;
        let scale = 10_i128.pow(u32::try_from(kept.len()).ok()?);
        let of_fraction = kept.parse::<i128>().unwrap_or(0) * unit / scale;
        let total = if number < 0.0 { of_whole - of_fraction } else { of_whole + of_fraction };
        let digits = self.unit_digits() + u8::try_from(kept.len()).ok()?;
        Some(RowTime { time: time(total)?, digits })
    }

    fn out_of_range(&self, number: &dyn std::fmt::Display) -> String {
        let unit = match self.unit {
            TimeUnit::Seconds => "seconds",
            TimeUnit::Milliseconds => "milliseconds",
            TimeUnit::Microseconds => "microseconds",
        };
        format!("{number} {unit} since 1970 is no time in the years -9999 to 9999; set time_unit")
    }

    fn unit_digits(&self) -> u8 {
        match self.unit {
            TimeUnit::Seconds => 0,
            TimeUnit::Milliseconds => 3,
            TimeUnit::Microseconds => 6,
        }
    }

    fn nanos_per_unit(&self) -> i128 {
        NANOS_PER_SECOND / 10_i128.pow(u32::from(self.unit_digits()))
    }
}

fn nanos(time: Time) -> i128 {
    i128::from(time.seconds) * NANOS_PER_SECOND + i128::from(time.nanos)
}

fn time(nanos: i128) -> Option<Time> {
    let seconds = i64::try_from(nanos.div_euclid(NANOS_PER_SECOND)).ok()?;
    let nanos = u32::try_from(nanos.rem_euclid(NANOS_PER_SECOND)).ok()?;
    Time::new(seconds, nanos).ok()
}
