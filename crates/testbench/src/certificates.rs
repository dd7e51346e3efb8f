//! A private certificate authority and one server certificate, made by the `openssl` program.

use std::fs;
use std::path::Path;
use std::process::Command;

pub(crate) const AUTHORITY: &str = "ca.pem";
pub(crate) const SERVER: &str = "server.pem";
pub(crate) const SERVER_KEY: &str = "server.key";

/// Writes the authority and a certificate for `localhost` and `127.0.0.1` into the directory.
pub(crate) fn issue(directory: &Path) {
    fs::write(directory.join("openssl.cnf"), SETTINGS).expect("the directory can be written");
    let authority = "-x509 -extensions authority -subj /CN=testbench -keyout ca.key -out ca.pem";
    let server = "-x509 -extensions server -subj /CN=localhost -CA ca.pem -CAkey ca.key \
                  -keyout server.key -out server.pem";
    request(directory, authority);
    request(directory, server);
}

fn request(directory: &Path, arguments: &str) {
    let result = Command::new("openssl")
        .args("req -config openssl.cnf -days 2 -nodes -newkey ec".split(' '))
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .output()
        .expect("there is no `openssl` program: install openssl");
    let complaint = String::from_utf8_lossy(&result.stderr);
    assert!(result.status.success(), "openssl failed: {complaint}");
}

/// Our own settings, because those of the system differ from one to the next.
const SETTINGS: &str = "
[req]
prompt = no
distinguished_name = nobody
[nobody]
CN = nobody
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
authorityKeyIdentifier = keyid
";
