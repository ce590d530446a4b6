//! Builds the stand-in for Oracle's client library with the C compiler that is at hand.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const SOURCES: [&str; 10] = [
    "address.c",
    "attributes.c",
    "handles.c",
    "lob.c",
    "moment.c",
    "number.c",
    "session.c",
    "statement.c",
    "value.c",
    "wire.c",
];

/// The folder of a `libclntsh.so` that says it is release 21, built once a test binary.
///
/// The daemon finds it through `LD_LIBRARY_PATH`, a test through `InitParams::oracle_client_lib_dir`.
pub fn library_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| build(21))
}

/// Builds the library as one of release `major`, where that was not done since its sources or this program
/// changed. A process loads one library for all of its time.
pub fn build(major: u8) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("oci-{major}"));
    if !is_current(&folder.join("libclntsh.so")) {
        compile(major, &folder);
    }
    folder
}

fn is_current(library: &Path) -> bool {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified());
    let Ok(built) = changed(library) else { return false };
    let sources = std::fs::read_dir(sources()).expect("the sources are there");
    let sources = sources.map(|entry| entry.expect("the folder can be read").path());
    let program = std::env::current_exe().expect("a test binary has a path");
    sources.chain([program]).all(|path| changed(&path).is_ok_and(|changed| changed < built))
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/oci")
}

fn compile(major: u8, folder: &Path) {
    std::fs::create_dir_all(folder).expect("the folder for temporary files can be written");
    // Test binaries that build at once must not read each other's half of a file.
    let unfinished = folder.join(format!("unfinished-{}", std::process::id()));
    let compiled = Command::new("cc")
        .args(["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"])
        .arg(format!("-DCLIENT_MAJOR={major}"))
        .args(SOURCES.map(|source| sources().join(source)))
        .arg("-o")
        .arg(&unfinished)
        .output()
        .expect("the C compiler `cc` runs");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    #[expect(clippy::disallowed_methods, reason = "a built file of a test, not data that must last")]
    std::fs::rename(&unfinished, folder.join("libclntsh.so")).expect("the library can be put in its place");
}
