//! Dates, timestamps and intervals on the wire.
//!
//! A century and a year of it, both offset by 100, month, day, and hour, minute and second offset by one;
//! then nanoseconds where there are any, then the zone. A time with a zone is sent in UTC.

/// A point in time as a table shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// Negative before Christ: -4712 is the first.
    pub year: i32,
    /// From 1.
    pub month: u8,
    /// From 1.
    pub day: u8,
    /// From 0.
    pub hour: u8,
    /// From 0.
    pub minute: u8,
    /// From 0.
    pub second: u8,
    /// Nanoseconds.
    pub nanos: u32,
    /// East of Greenwich, where the type has a zone.
    pub offset_minutes: i32,
}

const CENTURY_OFFSET: i32 = 100;
const ZONE_HOUR_OFFSET: i32 = 20;
const ZONE_MINUTE_OFFSET: i32 = 60;
const INTERVAL_MIDDLE: u32 = 0x8000_0000;
const INTERVAL_OFFSET: i32 = 60;

impl Time {
    /// A date and a time of day.
    pub const fn new(date: (i32, u8, u8), clock: (u8, u8, u8), nanos: u32) -> Self {
        let ((year, month, day), (hour, minute, second)) = (date, clock);
        Self { year, month, day, hour, minute, second, nanos, offset_minutes: 0 }
    }

    /// The same wall-clock time, in a zone.
    #[must_use]
    pub const fn at_offset(mut self, minutes: i32) -> Self {
        self.offset_minutes = minutes;
        self
    }

    /// As DATE: seven bytes.
    pub fn date_bytes(&self) -> Vec<u8> {
        vec![
            byte(self.year / 100 + CENTURY_OFFSET),
            byte(self.year % 100 + CENTURY_OFFSET),
            self.month,
            self.day,
            self.hour + 1,
            self.minute + 1,
            self.second + 1,
        ]
    }

    /// As TIMESTAMP: a whole second is sent like a DATE.
    pub fn timestamp_bytes(&self) -> Vec<u8> {
        let mut bytes = self.date_bytes();
        if self.nanos != 0 {
            bytes.extend_from_slice(&self.nanos.to_be_bytes());
        }
        bytes
    }

    /// As TIMESTAMP WITH TIME ZONE: thirteen bytes, in UTC.
    pub fn zoned_bytes(&self) -> Vec<u8> {
        let mut bytes = self.to_utc().date_bytes();
        bytes.extend_from_slice(&self.nanos.to_be_bytes());
        bytes.push(byte(self.offset_minutes / 60 + ZONE_HOUR_OFFSET));
        bytes.push(byte(self.offset_minutes % 60 + ZONE_MINUTE_OFFSET));
        bytes
    }

    /// Reads any of the three.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let part = |at: usize| i32::from(bytes[at]);
        let date = ((part(0) - CENTURY_OFFSET) * 100 + part(1) - CENTURY_OFFSET, bytes[2], bytes[3]);
        let nanos = bytes
            .get(7..11)
            .map_or(0, |nanos| u32::from_be_bytes(nanos.try_into().expect("four bytes were taken")));
        Self::new(date, (bytes[4] - 1, bytes[5] - 1, bytes[6] - 1), nanos)
    }

    fn to_utc(self) -> Self {
        let clock_minutes = i32::from(self.hour) * 60 + i32::from(self.minute) - self.offset_minutes;
        let day_minutes = clock_minutes.rem_euclid(24 * 60);
        let mut utc =
            Self { hour: byte(day_minutes / 60), minute: byte(day_minutes % 60), offset_minutes: 0, ..self };
        match clock_minutes.div_euclid(24 * 60) {
            -1 => utc.turn_to_previous_day(),
            1 => utc.turn_to_next_day(),
            _ => {}
        }
        utc
    }

    fn turn_to_next_day(&mut self) {
        self.day += 1;
        if self.day > days_of(self.year, self.month) {
            self.day = 1;
            self.month = self.month % 12 + 1;
            self.year += i32::from(self.month == 1);
        }
    }

    fn turn_to_previous_day(&mut self) {
        self.day -= 1;
        if self.day == 0 {
            self.month = (self.month + 10) % 12 + 1;
            self.year -= i32::from(self.month == 12);
            self.day = days_of(self.year, self.month);
        }
    }
}

/// As a test would write it: `2026-11-20T08:30:00`, with nanoseconds where there are any.
impl std::fmt::Display for Time {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { year, month, day, hour, minute, second, nanos, .. } = self;
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if *nanos == 0 { Ok(()) } else { write!(out, ".{nanos:09}") }
    }
}

/// INTERVAL YEAR TO MONTH: both parts have the same sign.
pub fn year_month_bytes(years: i32, months: i32) -> Vec<u8> {
    let mut bytes = middle(years).to_vec();
    bytes.push(byte(months + INTERVAL_OFFSET));
    bytes
}

/// INTERVAL DAY TO SECOND: days, hours, minutes, seconds and nanoseconds, all of one sign.
pub fn day_second_bytes(days: i32, clock: (i32, i32, i32), nanos: i32) -> Vec<u8> {
    let mut bytes = middle(days).to_vec();
    bytes.extend([clock.0, clock.1, clock.2].map(|part| byte(part + INTERVAL_OFFSET)));
    bytes.extend_from_slice(&middle(nanos));
    bytes
}

fn middle(value: i32) -> [u8; 4] {
    INTERVAL_MIDDLE.wrapping_add_signed(value).to_be_bytes()
}

fn byte(value: i32) -> u8 {
    u8::try_from(value).expect("a part of a time fits into a byte")
}

fn days_of(year: i32, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn a_time_with_a_zone_is_sent_in_utc() {
        let local = Time::new((2027, 1, 1), (0, 30, 0), 5).at_offset(90);
        let utc = Time::from_bytes(&local.zoned_bytes());
        assert_eq!(utc.to_string(), "2026-12-31T23:00:00.000000005");
        let local = Time::new((2028, 2, 28), (22, 0, 0), 0).at_offset(-180);
        assert_eq!(Time::from_bytes(&local.zoned_bytes()).to_string(), "2028-02-29T01:00:00");
    }
}
