//! The unmodified crate `oracle`, and ODPI-C in it, over a stand-in for Oracle's client library: what the
//! reader builds on.

mod calls;
mod values;

use crate::support::oci;
use crate::support::oracle::OracleServer;
use oracle::{Connection, InitParams};

fn load_client() {
    let mut parameters = InitParams::new();
    parameters.oracle_client_lib_dir(oci::library_folder()).expect("the path has no zero byte");
    parameters.init().expect("the stand-in is a client library");
}

fn connect(server: &OracleServer) -> Connection {
    load_client();
    Connection::connect("scott", "tiger", server.dsn()).expect("the server lets scott in")
}
