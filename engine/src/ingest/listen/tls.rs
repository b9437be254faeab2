//! TLS of listeners: certificates, clients' certificates, exchange of both while running.
//!
//! Invariant: files are looked at again and again; a pair that does not fit is never taken, and
//! connections under way keep what they began with. TLS 1.2 at least.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};

use crate::error::{Error, ErrorKind};
use crate::limits::TLS_SESSIONS_MAX;
use crate::pem;

use super::connection::Stream;
use super::validity::{Validity, validity};

/// What goes wrong here keeps a listener from starting.
const KIND: ErrorKind = ErrorKind::Listen;

/// Where a listener's certificate and key are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, the listener's own first.
    pub certificate: PathBuf,
    /// The private key. Others than its owner and group must not be able to read it.
    pub key: PathBuf,
    /// The authorities of clients' certificates. With them a client must show one (mTLS).
    pub client_authorities: Option<PathBuf>,
    /// How often the files are looked at for changes.
    pub check_every: Duration,
}

impl TlsFiles {
    /// A certificate and its key, looked at every 10 s; clients show none.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            client_authorities: None,
            check_every: Duration::from_secs(10),
        }
    }

    fn read(&self) -> Result<Contents, Error> {
        pem::guarded(&self.key, KIND)?;
        let read = |path: &Path| pem::read(path, KIND);
        Ok(Contents {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
            client_authorities: self.client_authorities.as_deref().map(read).transpose()?,
        })
    }
}

#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_authorities: Option<Vec<u8>>,
}

/// What a listener's handshakes use now, for those who watch it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsNow {
    /// Where the certificate came from.
    pub certificate: PathBuf,
    /// When it is valid; none if that cannot be read.
    pub validity: Option<Validity>,
    /// Why the files cannot be taken as they are now, so that what was in use stays.
    pub trouble: Option<String>,
}

/// What handshakes use now.
pub(super) struct Tls {
    files: TlsFiles,
    protocols: &'static [&'static str],
    contents: RwLock<Contents>,
    config: RwLock<Arc<ServerConfig>>,
    reloads_failed: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Tls {
    /// Reads the files; connections may speak these protocols (ALPN).
    pub(super) fn load(
        files: TlsFiles,
        protocols: &'static [&'static str],
    ) -> Result<Arc<Self>, Error> {
        let contents = files.read()?;
        let config = config(&files, &contents, protocols)?;
        Ok(Arc::new(Self {
            files,
            protocols,
            contents: RwLock::new(contents),
            config: RwLock::new(config),
            reloads_failed: AtomicU64::new(0),
            trouble: Mutex::default(),
        }))
    }

    /// Looks at the files from time to time, without end.
    pub(super) async fn follow(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.files.check_every).await;
            let trouble = self.reload().err().map(|error| error.to_string());
            if trouble.is_some() {
                self.reloads_failed.fetch_add(1, Ordering::Relaxed);
            }
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        }
    }

    /// Looks at files that changed and could not be taken: how often.
    pub(super) fn reloads_failed(&self) -> u64 {
        self.reloads_failed.load(Ordering::Relaxed)
    }

    /// What is in use, and what is wrong with the files.
    pub(super) fn now(&self) -> TlsNow {
        let contents = self.contents.read().unwrap_or_else(PoisonError::into_inner);
        let certificate = self.files.certificate.clone();
        let chain = pem::certificates(&certificate, &contents.certificate, KIND).ok();
        let validity = chain.and_then(|chain| validity(chain.first()?));
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        TlsNow { certificate, validity, trouble }
    }

    fn reload(&self) -> Result<(), Error> {
        let contents = self.files.read()?;
        if *self.contents.read().unwrap_or_else(PoisonError::into_inner) == contents {
            return Ok(());
        }
        let config = config(&self.files, &contents, self.protocols)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        *self.contents.write().unwrap_or_else(PoisonError::into_inner) = contents;
        Ok(())
    }

    /// The handshake, within a time.
    pub(super) async fn accept(
        &self,
        stream: Box<dyn Stream>,
        within: Duration,
    ) -> io::Result<Box<dyn Stream>> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        let handshake = TlsAcceptor::from(config).accept(stream);
        let stream = tokio::time::timeout(within, handshake).await??;
        Ok(Box::new(stream))
    }
}

fn config(
    files: &TlsFiles,
    contents: &Contents,
    protocols: &[&str],
) -> Result<Arc<ServerConfig>, Error> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            pem::unusable(&files.certificate, "a provider of TLS 1.2 and 1.3", KIND, error)
        })?;
    let builder = match (&files.client_authorities, &contents.client_authorities) {
        (Some(path), Some(pem)) => {
            let roots = pem::authorities(path, pem, KIND)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            let verifier = verifier
                .build()
                .map_err(|error| pem::unusable(path, "authorities", KIND, error))?;
            builder.with_client_cert_verifier(verifier)
        }
        _ => builder.with_no_client_auth(),
    };
    let key = pem::private_key(&files.key, &contents.key, KIND)?;
    let chain = pem::certificates(&files.certificate, &contents.certificate, KIND)?;
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| pem::unusable(&files.key, "the certificate's private key", KIND, error))?;
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.session_storage = ServerSessionMemoryCache::new(TLS_SESSIONS_MAX);
    Ok(Arc::new(config))
}
