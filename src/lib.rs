//! livecosmos: every new row, once, in the cloud.
//!
//! Start reading at [`uploader`]: the whole promise stands there.

pub mod audit;
mod base64;
pub mod cli;
pub mod clock;
pub mod column_type;
pub mod config;
pub mod daemon;
pub mod exit;
pub mod fingerprint;
pub mod key;
pub mod logging;
pub mod panics;
pub mod payload;
pub mod progress;
pub mod quarantine;
pub mod rows;
pub mod sample;
pub mod secret;
pub mod sink;
pub mod source;
pub mod stop;
pub mod uploader;
