//! Connections of a client, and the certificates that they are opened with.
//!
//! Invariant: files are looked at again and again; what does not fit together is never taken, and
//! what was in use stays. TLS 1.2 at least.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::clock::monotonic;
use crate::error::{Error, ErrorKind};
use crate::limits::{SINK_ANSWER_FIELDS_MAX, SINK_ANSWER_HEAD_BYTES_MAX, SINK_CONNECTIONS_MAX};
use crate::pem;

/// How long a connection without a request is kept.
const IDLE: Duration = Duration::from_secs(90);

/// Certificates of a sink, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// The authorities of the receiver's certificate; those of the system where none is named.
    pub authorities: Option<PathBuf>,
    /// What the sink shows of itself (mTLS).
    pub own: Option<ClientKey>,
    /// How often the files are looked at for changes. 10 s.
    pub check_every: Duration,
}

/// A client's certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// The certificate chain, the sink's own first.
    pub certificate: PathBuf,
    /// The private key. Others than its owner and group must not be able to read it.
    pub key: PathBuf,
}

impl Default for ClientTls {
    fn default() -> Self {
        Self { authorities: None, own: None, check_every: Duration::from_secs(10) }
    }
}

#[derive(PartialEq, Eq)]
struct Contents {
    authorities: Option<Vec<u8>>,
    /// Certificate and key.
    own: Option<(Vec<u8>, Vec<u8>)>,
}

impl ClientTls {
    fn read(&self) -> Result<Contents, Error> {
        let read = |path: &Path| pem::read(path, ErrorKind::Read);
        let own = match &self.own {
            None => None,
            Some(own) => {
                pem::guarded(&own.key, ErrorKind::Setting)?;
                Some((read(&own.certificate)?, read(&own.key)?))
            }
        };
        Ok(Contents { authorities: self.authorities.as_deref().map(read).transpose()?, own })
    }

    fn config(&self, contents: &Contents) -> Result<ClientConfig, Error> {
        let roots = match (&self.authorities, &contents.authorities) {
            (Some(path), Some(pem)) => pem::authorities(path, pem, ErrorKind::Setting)?,
            _ => system_roots()?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                Error::new(ErrorKind::Setting, "expected TLS 1.2 and 1.3").caused_by(error)
            })?
            .with_root_certificates(roots);
        let (Some(own), Some((certificate, key))) = (&self.own, &contents.own) else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = pem::certificates(&own.certificate, certificate, ErrorKind::Setting)?;
        let key = pem::private_key(&own.key, key, ErrorKind::Setting)?;
        builder.with_client_auth_cert(chain, key).map_err(|error| {
            pem::unusable(&own.key, "the certificate's private key", ErrorKind::Setting, error)
        })
    }
}

fn system_roots() -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    let text = "expected certificates of authorities on this system, found none: install them, or \
                name a file with those of the receiver";
    let error = Error::new(ErrorKind::Read, text);
    Err(match found.errors.into_iter().next() {
        Some(cause) => error.caused_by(cause),
        None => error,
    })
}

type Connector = HttpsConnector<HttpConnector>;

/// Connections that are kept, of one client.
pub(super) struct Connections {
    pool: Pool<Connector, Full<Bytes>>,
    is_http2: bool,
    files: Option<Files>,
}

/// Files behind connections.
struct Files {
    tls: Arc<ClientTls>,
    contents: Contents,
    looked: Instant,
}

impl Connections {
    /// Opens nothing yet. Without `tls` connections are not encrypted.
    pub(super) fn open(tls: Option<ClientTls>, is_http2: bool) -> Result<Self, Error> {
        let Some(tls) = tls else {
            let plain = HttpsConnectorBuilder::new().with_tls_config(no_tls()?);
            return Ok(Self { pool: pool(plain.https_or_http(), is_http2), is_http2, files: None });
        };
        let contents = tls.read()?;
        let pool = secure(tls.config(&contents)?, is_http2);
        let files = Files { tls: Arc::new(tls), contents, looked: monotonic() };
        Ok(Self { pool, is_http2, files: Some(files) })
    }

    pub(super) fn pool(&self) -> &Pool<Connector, Full<Bytes>> {
        &self.pool
    }

    /// Looks at the files if it is time to; new ones that fit are used for new connections, and
    /// old connections are not used for new requests.
    pub(super) async fn renew(&mut self) -> Result<(), Error> {
        let Some(files) = &mut self.files else { return Ok(()) };
        if files.looked.elapsed() < files.tls.check_every {
            return Ok(());
        }
        files.looked = monotonic();
        let tls = Arc::clone(&files.tls);
        // A file on a disk that hangs keeps no other sink waiting.
        let Ok(read) = tokio::task::spawn_blocking(move || tls.read()).await else {
            return Ok(());
        };
        let contents = read?;
        if contents == files.contents {
            return Ok(());
        }
        let config = files.tls.config(&contents)?;
        files.contents = contents;
        self.pool = secure(config, self.is_http2);
        Ok(())
    }
}

/// What stands where no connection is encrypted.
fn no_tls() -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| {
        Error::new(ErrorKind::Setting, "expected TLS 1.2 and 1.3").caused_by(error)
    })?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn secure(config: ClientConfig, is_http2: bool) -> Pool<Connector, Full<Bytes>> {
    pool(HttpsConnectorBuilder::new().with_tls_config(config).https_only(), is_http2)
}

fn pool(
    builder: HttpsConnectorBuilder<hyper_rustls::builderstates::WantsProtocols1>,
    is_http2: bool,
) -> Pool<Connector, Full<Bytes>> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    let connector = if is_http2 {
        builder.enable_http2().wrap_connector(http)
    } else {
        builder.enable_http1().wrap_connector(http)
    };
    Pool::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(SINK_CONNECTIONS_MAX)
        .http1_max_buf_size(SINK_ANSWER_HEAD_BYTES_MAX)
        .http1_max_headers(SINK_ANSWER_FIELDS_MAX)
        .http2_max_header_list_size(SINK_ANSWER_HEAD_BYTES_MAX as u32)
        .http2_only(is_http2)
        .build(connector)
}
