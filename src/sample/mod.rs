//! Made-up tables in the shape of real ones: for the demo, the tests and the benchmarks.
//!
//! The same settings give the same bytes on every machine: chance comes from a seed, and values
//! are reckoned in whole numbers.

mod columns;
mod splitmix;
mod sqlite;
mod toa5;

use std::io::{self, Write};

use livecosmos_state::Time;

pub use columns::COLUMNS;

use columns::{Shape, shape_of};
use splitmix::SplitMix64;

/// 2025-01-01T00:00:00Z; the first half-hour ends 30 minutes later.
const START_S: i64 = 1_735_689_600;
const STEP_S: i64 = 1_800;
const STEPS_PER_DAY: i64 = 48;
/// What the share of the sun is counted in.
const SUN_FULL: i64 = 1_000;
/// One value in so many is missing.
const MISSING_ONE_IN: u64 = 100;
/// Stations that go by the name of a real one; the others are numbered.
const SITES: [&str; 4] = ["ALIC1", "BALRD", "BICKL", "BUNNY"];

/// A table of half-hours of several sites, interleaved by time as they come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Number of sites.
    pub sites: u32,
    /// Half-hours of each site.
    pub rows_per_site: u32,
    /// Where chance starts.
    pub seed: u64,
}

impl Sample {
    /// Writes the table with its header line as CSV. A missing value is empty or `NAN`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", COLUMNS.join(","))?;
        self.lines(|line| out.write_all(line.as_bytes()))
    }

    /// Gives each row as a line of CSV with its newline. No value holds a comma.
    fn lines<E>(&self, mut take: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        let shapes = COLUMNS.map(shape_of);
        let mut chance = SplitMix64::new(self.seed);
        let mut line = String::new();
        for step in 1..=i64::from(self.rows_per_site) {
            for site in 0..self.sites {
                line.clear();
                push_row(&mut line, &shapes, site, step, &mut chance);
                take(&line)?;
            }
        }
        Ok(())
    }
}

fn push_row(
    line: &mut String,
    shapes: &[Shape; COLUMNS.len()],
    site: u32,
    step: i64,
    chance: &mut SplitMix64,
) {
    let sun = sun(step);
    for (column, shape) in COLUMNS.iter().zip(shapes) {
        match *column {
            "SITE_ID" => line.push_str(&site_name(site)),
            "DATE_TIME" => push_local_time(line, START_S + STEP_S * step, 'T'),
            "RECORD" => line.push_str(&step.to_string()),
            _ if !is_installed(site, column) => {}
            _ => push_value_or_gap(line, *shape, sun, chance),
        }
        line.push(',');
    }
    line.pop();
    line.push('\n');
}

/// Every second site has two TDT sensors only, as most real ones have.
fn is_installed(site: u32, column: &str) -> bool {
    let sensor = column.strip_prefix("TDT").and_then(|rest| rest.split('_').next()?.parse::<u8>().ok());
    site.is_multiple_of(2) || sensor.is_none_or(|sensor| sensor <= 2)
}

fn push_value_or_gap(line: &mut String, shape: Shape, sun: i64, chance: &mut SplitMix64) {
    match chance.below(2 * MISSING_ONE_IN) {
        0 => {}
        1 => line.push_str("NAN"),
        _ => push_value(line, shape, sun, chance),
    }
}

fn push_value(line: &mut String, shape: Shape, sun: i64, chance: &mut SplitMix64) {
    let noise = i64::try_from(chance.below(shape.noise + 1)).unwrap_or(0);
    push_decimal(line, shape.low + shape.swing * sun / SUN_FULL + noise, shape.decimals);
}

/// `scaled` times `10^-decimals`, with all its decimals.
fn push_decimal(line: &mut String, scaled: i64, decimals: usize) {
    if scaled < 0 {
        line.push('-');
    }
    let digits = format!("{:0width$}", scaled.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    line.push_str(whole);
    if decimals > 0 {
        line.push('.');
        line.push_str(fraction);
    }
}

/// The share of the sun at a half-hour: a parabola, 0 at midnight and `SUN_FULL` at noon.
fn sun(step: i64) -> i64 {
    let half = STEPS_PER_DAY / 2;
    let from_noon = step % STEPS_PER_DAY - half;
    SUN_FULL - SUN_FULL * from_noon * from_noon / (half * half)
}

fn site_name(site: u32) -> String {
    let known = usize::try_from(site).ok().and_then(|site| SITES.get(site));
    known.map_or_else(|| format!("SITE{site:05}"), |name| (*name).to_owned())
}

/// A time without its zone, as loggers write it.
fn push_local_time(line: &mut String, seconds: i64, separator: char) {
    let time = Time::new(seconds, 0).expect("sample times lie in this century").to_string();
    let (date, clock) = time.split_once('T').expect("a time has a T");
    line.push_str(date);
    line.push(separator);
    line.push_str(clock.trim_end_matches('Z'));
}

#[cfg(test)]
mod tests;
