//! A logger's own file (Campbell Scientific's TOA5) from a logger whose clock cannot be trusted.

use std::io::{self, Write};

use super::columns::{Shape, shape_of};
use super::splitmix::SplitMix64;
use super::{START_S, STEP_S, Sample, push_local_time, push_value, site_name, sun};

/// The measured columns of the file.
const COLUMNS: [&str; 6] = ["TA", "RH", "PA", "WS", "SWIN", "BATTV"];
/// How far the clock falls back, each time: three years, then, from there, twelve.
const FALLS_BACK_S: [i64; 2] = [3 * 365 * 86_400, 12 * 365 * 86_400];
/// How many stamps are written a second time, in a row.
const REPEATED_ROWS_MAX: i64 = 70;
/// One value in so many is `"NAN"`.
const NAN_ONE_IN: u64 = 20;

impl Sample {
    /// Writes the rows of the first site as a TOA5 file of a logger whose clock falls back by years
    /// after a third and after two thirds of the rows, and which half-way repeats its last 70 stamps
    /// (all of one half, in a shorter file). `RECORD` goes on throughout and tells the rows apart.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_toa5(&self, out: &mut dyn Write) -> io::Result<()> {
        let station = site_name(0);
        writeln!(
            out,
            r#""TOA5","{station}","CR1000X","23195","CR1000X.Std.07.02","CPU:SAMPLE.CR1X","15650","Met""#
        )?;
        write_header_line(out, ["TIMESTAMP", "RECORD"], COLUMNS)?;
        write_header_line(out, ["TS", "RN"], ["deg C", "%", "hPa", "m/s", "W/m²", "V"])?;
        write_header_line(out, ["", ""], ["Avg", "Smp", "Smp", "Avg", "Avg", "Smp"])?;
        let shapes = COLUMNS.map(shape_of);
        let mut chance = SplitMix64::new(self.seed);
        let mut line = String::new();
        let rows = i64::from(self.rows_per_site);
        for row in 0..rows {
            line.clear();
            push_row(&mut line, &shapes, row, rows, &mut chance);
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }
}

fn write_header_line(out: &mut dyn Write, first: [&str; 2], rest: [&str; COLUMNS.len()]) -> io::Result<()> {
    let quoted: Vec<String> = first.into_iter().chain(rest).map(|cell| format!("\"{cell}\"")).collect();
    writeln!(out, "{}", quoted.join(","))
}

fn push_row(line: &mut String, shapes: &[Shape], row: i64, rows: i64, chance: &mut SplitMix64) {
    line.push('"');
    push_local_time(line, clock(row, rows), ' ');
    line.push_str("\",");
    line.push_str(&row.to_string());
    for shape in shapes {
        line.push(',');
        if chance.below(NAN_ONE_IN) == 0 {
            line.push_str("\"NAN\"");
        } else {
            push_value(line, *shape, sun(row), chance);
        }
    }
    line.push('\n');
}

/// What the logger takes for the time at row `row` of `rows`.
fn clock(row: i64, rows: i64) -> i64 {
    let half = rows / 2;
    let again = REPEATED_ROWS_MAX.min(half);
    let ticks = if row >= half { row - again } else { row };
    let falls = [rows / 3, 2 * rows / 3];
    let back: i64 =
        falls.iter().zip(FALLS_BACK_S).filter(|(fall, _)| row >= **fall).map(|(_, back)| back).sum();
    START_S + STEP_S * ticks - back
}
