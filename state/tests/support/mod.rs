//! What the tests share: sample records, an independent writer of frames, and disks that fail.

// Each test binary uses its own part of it.
#![allow(dead_code, reason = "see above")]

pub(crate) mod faulty;
pub(crate) mod frames;
pub(crate) mod sample;
pub(crate) mod second;
pub(crate) mod sim;
