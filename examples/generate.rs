//! Makes the sample tables: `cargo run --release --example generate -- --sites 4 --rows 200`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use livecosmos::sample::Sample;

/// Makes a COSMOS-shaped table of 149 columns; the same arguments always give the same bytes.
#[derive(Parser)]
struct Arguments {
    /// Number of sites
    #[arg(long, default_value_t = 4)]
    sites: u32,
    /// Half-hours of each site, from 2025-01-01 on
    #[arg(long, default_value_t = 200)]
    rows: u32,
    /// Where chance starts
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What is written; toa5 is one logger whose clock falls back by years twice
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// File to write; standard output without it
    #[arg(long, required_if_eq("format", "sqlite"))]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Sqlite,
    Toa5,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { sites, rows, seed, format, output } = Arguments::parse();
    let sample = Sample { sites, rows_per_site: rows, seed };
    let mut out: BufWriter<Box<dyn Write>> = match (format, &output) {
        (Format::Sqlite, Some(path)) => return Ok(sample.write_sqlite(path)?),
        (_, Some(path)) => BufWriter::new(Box::new(File::create(path)?)),
        (_, None) => BufWriter::new(Box::new(io::stdout().lock())),
    };
    match format {
        Format::Toa5 => sample.write_toa5(&mut out)?,
        Format::Csv | Format::Sqlite => sample.write_csv(&mut out)?,
    }
    Ok(out.flush()?)
}
