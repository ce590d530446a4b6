//! Rows to Google Cloud Storage and Azure Blob Storage: each once, whoever is killed and whatever is lost on the way.
#![allow(clippy::print_stdout, reason = "says what was compared, and the seed")]

#[path = "../data/mod.rs"]
mod data;
#[path = "../support/mod.rs"]
mod support;

mod configured;
mod kept;
mod said;

use std::collections::BTreeMap;

use support::azurite::{self, ACCOUNT, Azurite, CONTAINER};
use support::daemon::{Livecosmos, Workdir, workdir};
use support::google::Google;
use support::objects;

pub(crate) const TABLE: &str = "MET";

/// A server under test.
pub(crate) trait Cloud {
    /// The `[sink]` section for the server at `endpoint`.
    fn sink(&self, endpoint: &str) -> String;

    /// The objects of sites: key to bytes.
    fn objects(&self) -> BTreeMap<String, Vec<u8>>;
}

impl Cloud for Azurite {
    fn sink(&self, endpoint: &str) -> String {
        format!(
            "[sink]\nurl = \"az://{CONTAINER}/raw\"\n[sink.azure]\naccount = \"{ACCOUNT}\"\nkey_file = \"key\"\n\
             endpoint = \"{endpoint}\"\n"
        )
    }

    fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        of_sites(self.objects("raw/"))
    }
}

impl Cloud for Google {
    fn sink(&self, endpoint: &str) -> String {
        format!(
            "[sink]\nurl = \"gs://{}/raw\"\n[sink.gcs]\nanonymous = true\nendpoint = \"{endpoint}\"\n",
            self.bucket()
        )
    }

    fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        of_sites(objects::in_bucket(self.client(), "raw/"))
    }
}

fn of_sites(mut objects: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    objects.retain(|key, _| !key.contains(".livecosmos"));
    objects
}

/// A folder that stores `met.csv` as `sink` says.
pub(crate) fn storing(sink: &str) -> Workdir {
    let workdir = workdir(&format!(
        "[source]\nkind = \"csv\"\npath = \"met.csv\"\n{sink}\n[upload]\nformat = \"ndjson\"\nbatch_rows_max = 40\n\
         [poll]\ninterval = \"1s\"\nfallback = \"all\"\n[tables.{TABLE}]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n"
    ));
    workdir.write("key", azurite::key());
    workdir.write("met.csv", "SITE,TIME,V\n");
    workdir
}

/// `count` more rows of three sites in turn, from row `first` on.
pub(crate) fn add_rows(workdir: &Workdir, first: u32, count: u32) {
    let row = |at: u32| {
        let (day, minute) = (1 + at / 1440, at % 1440);
        let site = ["A", "B", "C"][at as usize % 3];
        format!("{site},2026-01-{day:02} {:02}:{:02}:00,{at}.50\n", minute / 60, minute % 60)
    };
    workdir.append("met.csv", (first..first + count).map(row).collect::<String>());
}

pub(crate) fn once(workdir: &Workdir) -> Livecosmos {
    workdir.livecosmos().table(TABLE).arg("--once")
}

/// Rows `0..count` are stored, each once.
pub(crate) fn assert_once(cloud: &dyn Cloud, count: u32) {
    let stored = objects::rows(&cloud.objects());
    objects::assert_exactly_once((0..count).map(|at| format!("{at}.50")), &stored, |row| row.text("V"));
}
