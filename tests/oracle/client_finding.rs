//! Finding Oracle's client library. Without one that can be used, one message says where it was looked for
//! and what to do.
//!
//! A process loads one library for all of its time, and ODPI-C repeats its first error for all of it: so
//! each test has a process of its own.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::oci;
use crate::support::oracle::{Answer, OracleServer, row};
use livecosmos::source::oracle::oci::{Account, Cell, Link, Settings, load};

fn message(folder: &Path) -> String {
    let failure = load(Some(folder)).expect_err("there is no client library");
    failure.to_string().replace(&folder.display().to_string(), "FOLDER")
}

#[test]
fn a_folder_without_the_library_is_named_with_the_remedies() {
    alone("a_folder_without_the_library_is_named_with_the_remedies", "", || {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(
            message(folder.path()),
            "Oracle's client library was looked for in FOLDER alone and cannot be loaded (FOLDER/libclntsh.so: \
             cannot open shared object file: No such file or directory); install Oracle Instant Client and put its \
             folder as `client`, or set driver = \"thin\", which needs no client"
        );
    });
}

#[test]
fn a_file_that_is_no_library_is_named_with_the_remedies() {
    alone("a_file_that_is_no_library_is_named_with_the_remedies", "", || {
        let folder = tempfile::tempdir().expect("a folder");
        #[expect(clippy::disallowed_methods, reason = "a file of a test")]
        std::fs::write(folder.path().join("libclntsh.so"), "a text, and no library").expect("written");
        let message = message(folder.path());
        assert!(message.contains("cannot be loaded (FOLDER/libclntsh.so: "), "{message}");
        assert!(message.contains("Instant Client"), "{message}");
    });
}

#[test]
fn a_client_that_lacks_a_library_of_the_system_names_that_library() {
    alone("a_client_that_lacks_a_library_of_the_system_names_that_library", "", || {
        let folder = tempfile::tempdir().expect("a folder");
        let compile = |arguments: &[&str]| {
            let compiled = Command::new("cc").args(arguments).current_dir(&folder).status().expect("cc runs");
            assert!(compiled.success());
        };
        compile(&["-shared", "-x", "c", "/dev/null", "-Wl,-soname,liblacking.so.1", "-o", "liblacking.so"]);
        compile(&[
            "-shared",
            "-x",
            "c",
            "/dev/null",
            "-Wl,--no-as-needed",
            "-L.",
            "-llacking",
            "-o",
            "libclntsh.so",
        ]);
        assert_eq!(
            message(folder.path()),
            "Oracle's client library cannot be loaded, because liblacking.so.1 is missing; install the package that \
             has it (for libaio.so.1: libaio1 or libaio1t64), or set driver = \"thin\", which needs no client"
        );
    });
}

#[test]
fn without_a_folder_the_usual_places_are_named() {
    alone("without_a_folder_the_usual_places_are_named", "", || {
        let message = load(None).expect_err("there is no client library").to_string();
        let places = "looked for beside the program, in LD_LIBRARY_PATH, in the folders of /etc/ld.so.conf and in \
                      $ORACLE_HOME/lib and cannot be loaded (libclntsh.so: cannot open shared object file";
        assert!(message.contains(places), "{message}");
    });
}

#[test]
fn the_library_is_found_where_the_system_looks() {
    let folder = oci::library_folder().display().to_string();
    alone("the_library_is_found_where_the_system_looks", &folder, || load(None).expect("it is found"));
}

#[test]
fn a_client_of_an_old_release_is_refused() {
    alone("a_client_of_an_old_release_is_refused", "", || {
        assert_eq!(
            message(&oci::build(12)),
            "Oracle's client library is release 12.13 and has no time limit for calls; install Instant Client 18 or \
             newer, or set driver = \"thin\", which needs none"
        );
    });
}

/// Reads a row through a library of release `major`, in a process of its own.
fn reads_rows(test: &str, major: u8) {
    alone(test, "", || {
        let server = OracleServer::start();
        server.on("SELECT * FROM t", |_| {
            Answer::rows(
                "N NUMBER(5), T TIMESTAMP(6), C CLOB",
                [row(["7", "2025-01-02 03:04:05.5", "large"])],
            )
        });
        let account = Account { user: "scott".to_owned(), password: "tiger".into() };
        let limit = Duration::from_secs(20);
        let settings = Settings {
            dsn: server.dsn(),
            account: Some(account),
            client: Some(oci::build(major)),
            connect_timeout: limit,
            call_timeout: limit,
        };
        let link = Link::connect(&settings).unwrap_or_else(|failure| panic!("{failure}"));
        let mut cursor = link.query("SELECT * FROM t", &[], 10).expect("rows");
        let row = cursor.next_row().expect("a row").expect("a row");
        assert_eq!(row.cell(0), Cell::Number("7"));
        assert_eq!(row.cell(1), Cell::Time("2025-01-02T03:04:05.500000"));
        assert_eq!(row.cell(2), Cell::Text("large"));
    });
}

#[test]
fn a_client_of_release_18_reads_rows() {
    reads_rows("a_client_of_release_18_reads_rows", 18);
}

#[test]
fn a_client_of_release_19_reads_rows() {
    reads_rows("a_client_of_release_19_reads_rows", 19);
}

#[test]
fn a_client_of_release_23_reads_rows() {
    reads_rows("a_client_of_release_23_reads_rows", 23);
}

#[test]
fn an_alias_is_looked_up_in_tnsnames_ora() {
    alone("an_alias_is_looked_up_in_tnsnames_ora", "", || {
        let folder = tempfile::tempdir().expect("a folder");
        let server = OracleServer::start();
        let names = format!(
            "OTHER = (DESCRIPTION = (ADDRESS = (HOST = 192.0.2.1)(PORT = 1)))\n\nField = (DESCRIPTION =\n  (ADDRESS = \
             (PROTOCOL = TCP)(HOST = 127.0.0.1)(PORT = {}))\n  (CONNECT_DATA = (SERVICE_NAME = XEPDB1)))\n",
            server.address().port()
        );
        #[expect(clippy::disallowed_methods, reason = "a file of a test")]
        std::fs::write(folder.path().join("tnsnames.ora"), names).expect("written");
        let mut parameters = oracle::InitParams::new();
        parameters.oracle_client_lib_dir(oci::library_folder()).expect("a path");
        parameters.oracle_client_config_dir(folder.path()).expect("a path");
        parameters.init().expect("the stand-in is a client library");
        oracle::Connection::connect("scott", "tiger", "FIELD").expect("the alias is known");
        assert_eq!(server.logins(), ["scott"]);
    });
}

const CHILD: &str = "LIVECOSMOS_TEST_CHILD";

/// Runs `check`, which belongs to the test of that name, in a process of its own.
fn alone(test: &str, library_path: &str, check: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some() {
        return check();
    }
    let output = Command::new(std::env::current_exe().expect("a test binary has a path"))
        .args(["--exact", &format!("client_finding::{test}")])
        .env(CHILD, "1")
        .env("LD_LIBRARY_PATH", library_path)
        .env_remove("ORACLE_HOME")
        .output()
        .expect("the test binary runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}
