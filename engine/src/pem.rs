//! Keys and certificates from PEM files, for both ends of TLS.
//!
//! Errors have the kind that their caller names: a listener's, or a sink's setting. Must not know
//! which end it reads for.

use std::io::Read;
use std::path::Path;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{Error, ErrorKind};
use crate::limits::TLS_FILE_BYTES_MAX;

/// What a file holds, up to the most that is read of one.
pub(crate) fn read(path: &Path, kind: ErrorKind) -> Result<Vec<u8>, Error> {
    let mut contents = Vec::new();
    let file = std::fs::File::open(path);
    file.and_then(|file| file.take(TLS_FILE_BYTES_MAX as u64).read_to_end(&mut contents))
        .map_err(|error| unusable(path, "a file that can be read", kind, error))?;
    Ok(contents)
}

/// That others than its owner and group cannot read a key.
pub(crate) fn guarded(path: &Path, kind: ErrorKind) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0) {
        let key = path.display();
        let text = format!("expected a key that others cannot read, found `{key}`: `chmod o=`");
        return Err(Error::new(kind, text));
    }
    Ok(())
}

/// The certificates of a file, one at least.
pub(crate) fn certificates(
    path: &Path,
    pem: &[u8],
    kind: ErrorKind,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| unusable(path, "certificates in PEM", kind, error))?;
    if found.is_empty() {
        return Err(unusable(path, "certificates in PEM", kind, "there is none"));
    }
    Ok(found)
}

/// The authorities of a file.
pub(crate) fn authorities(
    path: &Path,
    pem: &[u8],
    kind: ErrorKind,
) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path, pem, kind)? {
        roots.add(authority).map_err(|error| unusable(path, "an authority", kind, error))?;
    }
    Ok(roots)
}

/// The private key of a file.
pub(crate) fn private_key(
    path: &Path,
    pem: &[u8],
    kind: ErrorKind,
) -> Result<PrivateKeyDer<'static>, Error> {
    // Of a key, the only PEM that has `ENCRYPTED` in it: RFC 7468, 11; RFC 1421, 4.6.1.1.
    if pem.windows(9).any(|part| part == b"ENCRYPTED") {
        let path_shown = path.display();
        let text = format!(
            "the key has a passphrase, and nobody could type it: take that away by `openssl pkey -in \
             {path_shown} -out NEW`"
        );
        return Err(unusable(path, "a private key in PEM", kind, text));
    }
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|error| unusable(path, "a private key in PEM", kind, error))
}

/// A file that does not hold what it should.
pub(crate) fn unusable(
    path: &Path,
    expected: &str,
    kind: ErrorKind,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    let text = format!("expected {expected} in `{}`", path.display());
    Error::new(kind, text).caused_by(error)
}
