//! The crash-safe state store of livecosmos.
//!
//! One table has one [`State`]: per site the watermark, and the chain of objects with the intent that
//! may be on its way. A [`Store`] keeps it in two framed files, and a [`Writer`] makes the edits of
//! many uploads durable with one commit. After a crash at any moment, and with either file rotten,
//! what was acknowledged is there; a state that cannot be read is an error and never a first run (I4).
//!
//! ```no_run
//! # use livecosmos_state::{Options, Store, TableName};
//! # use std::path::Path;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let table = TableName::parse("LEVEL1_SOILMET_30MIN")?;
//! let mut opened = Store::open(&Options::default(), Path::new("/var/lib/livecosmos"), &table)?;
//! let generation = opened.store.commit(|state| state.started = None)?;
//! # let _ = generation; Ok(()) }
//! ```
//!
//! It assumes of the medium that a rename is atomic, that what was synced stays or is noticed to be
//! damaged by CRC-64, and that not both files rot between two commits.

mod cursor;
mod disk;
mod error;
mod frame;
mod ledger;
mod load;
mod name;
mod place;
mod record;
mod store;
mod time;
mod undo;
mod wire;
mod writer;

pub use cursor::{Cursor, FileId, InvalidCursor, Tie};
pub use disk::{Disk, NewFile, RealDisk};
pub use error::{CommitError, OpenError};
pub use frame::Whole;
pub use ledger::{Fingerprint, Ledger};
pub use load::{Damage, Found, Inspection, Origin, inspect};
pub use name::{ChainName, InvalidName, SiteId, TableName};
pub use place::tables;
pub use record::{Chain, FilePosition, Fill, FillKind, Intent, Site, SourceFile, State, Tally, Window};
pub use store::{Opened, Options, Store};
pub use time::{InvalidTime, Time};
pub use undo::set_aside;
pub use writer::{Commit, EDITS_QUEUED_MAX, Observer, Writer};

/// The longest payload of a state file, in bytes: some 400,000 sites, or 11 million rows in their ledgers.
pub const PAYLOAD_BYTES_MAX: usize = 128 << 20;
