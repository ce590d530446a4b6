//! Certificates, made by openssl.

use std::path::Path;
use std::process::Command;

/// A certificate authority, and certificates it signed, in a folder.
pub struct Authority(tempfile::TempDir);

impl Authority {
    /// Makes one.
    pub fn new() -> Self {
        let authority = Self(tempfile::tempdir().expect("a temporary folder"));
        authority.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
            "-days",
            "2",
            "-subj",
            "/CN=An authority",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
        ]);
        authority
    }

    /// A key and certificate called `name`, for `subject` and as an alternative name `alt`.
    pub fn sign(&self, name: &str, subject: &str, alt: &str) {
        let (key, request, cert) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.crt"));
        let subject = format!("/CN={subject}");
        self.openssl(&[
            "req", "-newkey", "rsa:2048", "-nodes", "-keyout", &key, "-out", &request, "-subj", &subject,
        ]);
        self.write("ext", &format!("subjectAltName={alt}\n"));
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-out",
            &cert,
            "-days",
            "2",
            "-extfile",
            "ext",
        ]);
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own file, gone with the test")]
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).expect("room for a file");
    }

    fn openssl(&self, words: &[&str]) {
        let output =
            Command::new("openssl").args(words).current_dir(self.0.path()).output().expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Where the file `name` is.
    pub fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// The folder with all files.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }
}
