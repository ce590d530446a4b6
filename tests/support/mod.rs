//! What the tests drive the binary with: S3 servers that other people wrote, the faults a network makes,
//! the binary itself in an empty environment, and readers of what it stored.
//!
//! Nothing here uses the product's own code, so that a mistake in it cannot hide itself.
//! `tests/support/install` installs the servers; `tests/README.md` says how to write a test with them.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary includes the whole module and uses a part of it"
)]
#![allow(unreachable_pub, reason = "the module is private to each test binary that includes it")]

pub mod authority;
pub mod azurite;
pub mod clock;
pub mod daemon;
pub mod database;
pub mod encrypted;
pub mod forward_proxy;
pub mod front;
pub mod garage;
pub mod google;
pub mod http;
pub mod iam;
pub mod mariadb;
pub mod mosquitto;
pub mod moto;
pub mod objects;
pub mod oci;
pub mod oracle;
pub mod postgres;
pub mod process;
pub mod receiver;
pub mod relay;
pub mod s3_client;
pub mod s3s;
pub mod scripted;
pub mod sent;
pub mod server;
pub mod stub_broker;
pub mod subscriber;
pub mod tables_over_tns;
pub mod tns;
