//! Input of the tests: real data where it is at hand, made data of the same shape elsewhere.
#![allow(dead_code, reason = "each test binary includes the whole module and uses a part of it")]
#![allow(unreachable_pub, reason = "the module is private to each test binary that includes it")]

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The table's name in all tests.
pub const TABLE: &str = "BEIJING_AIR_1HOUR";
/// Sites among which appended rows go round.
pub const APPENDED_SITES: usize = 12;

const SITES: [&str; APPENDED_SITES] = [
    "Aotizhongxin",
    "Changping",
    "Dingling",
    "Dongsi",
    "Guanyuan",
    "Gucheng",
    "Huairou",
    "Nongzhanguan",
    "Shunyi",
    "Tiantan",
    "Wanliu",
    "Wanshouxigong",
];
const HEADER: &str = "SITE_ID,DATE_TIME,PM2.5,PM10,SO2,NO2,CO,O3,TEMP,PRES,DEWP,RAIN,wd,WSPM,No";

/// Where the shared data lies: `LIVECOSMOS_DATA`, else beside the checkout.
fn folder() -> PathBuf {
    std::env::var_os("LIVECOSMOS_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from)
}

/// A file of hourly rows of twelve stations, ordered by time.
pub struct Stations(String);

impl Stations {
    /// The real file, or a made one.
    pub fn open() -> Self {
        let path = folder().join("BEIJING_AIR_1HOUR.csv.gz");
        let Ok(packed) = std::fs::read(&path) else {
            println!("{} is not there: made data takes its place", path.display());
            return Self(made_stations(9000));
        };
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(&*packed).read_to_string(&mut text).expect("the data is whole");
        Self(text)
    }

    /// Writes it to `path`.
    #[expect(clippy::disallowed_methods, reason = "a test's own file, gone with the test")]
    pub fn copy_to(&self, path: &Path) {
        std::fs::write(path, &self.0).expect("room for the data");
    }
}

/// Hourly rows of the same shape: `hours` of each station.
pub fn made_stations(hours: u32) -> String {
    let mut text = format!("{HEADER}\n");
    rows(&mut text, 2013, hours * 12);
    text
}

/// `count` more rows, hours of a year that the real data does not have.
pub fn appended_rows(count: u32) -> String {
    let mut text = String::new();
    rows(&mut text, 2019, count);
    text
}

fn rows(text: &mut String, year: u32, count: u32) {
    for row in 0..count {
        let (hour, site) = (row / 12, SITES[row as usize % 12]);
        let (day, hour_of_day) = (hour / 24, hour % 24);
        let (month, day) = (day / 28 % 12 + 1, day % 28 + 1);
        let year = year + hour / 24 / 28 / 12;
        let _ = writeln!(
            text,
            "{site},{year}-{month:02}-{day:02} {hour_of_day:02}:00:00,{row},0.10,7,NA,300,77,-0.7,1023,-18.80,0,NNW,4.4,{hour}"
        );
    }
}

/// The seed of a randomised test: `LIVECOSMOS_SEED`, else a new one.
pub fn seed() -> u64 {
    let given = std::env::var("LIVECOSMOS_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| {
        use std::hash::{BuildHasher as _, Hasher as _};
        std::hash::RandomState::new().build_hasher().finish()
    })
}

/// A small generator of random numbers (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014).
pub struct SplitMix64(u64);

impl SplitMix64 {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}
