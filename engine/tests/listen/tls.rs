//! TLS, certificates of clients, and what a listener demands where others can reach it.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tailwater_engine::ingest::listen::{
    Address, ConnectionLimits, Intake, LinesConfig, OtlpConfig, Security, TlsFiles, Tokens,
    listen_grpc, listen_http, listen_lines,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{
    Answer, PROTOBUF, SOURCE, Server, config, exchange, head, otlp, post, traces,
};

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// Certificates in a folder of their own.
struct Folder {
    folder: TempDir,
    authority: Issuer,
}

impl Folder {
    fn new() -> Self {
        let folder = Self { folder: tempfile::tempdir().unwrap(), authority: authority() };
        folder.write("ca.pem", &folder.authority.pem());
        folder.renew_server();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path(name), mode).unwrap();
    }

    /// A new certificate and key of the server; returns the certificate.
    fn renew_server(&self) -> CertificateDer<'static> {
        let (certificate, key) = issued(&self.authority);
        self.write("key.pem", &key);
        self.write("server.pem", &certificate);
        CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()
    }

    fn files(&self) -> TlsFiles {
        TlsFiles {
            check_every: Duration::from_millis(20),
            ..TlsFiles::new(self.path("server.pem"), self.path("key.pem"))
        }
    }

    fn security(&self) -> Security {
        Security { tls: Some(self.files()), ..Security::default() }
    }

    /// A client that trusts the authority, and shows a certificate if it is given one.
    async fn connect(
        &self,
        address: SocketAddr,
        own: Option<(String, String)>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let client = match own {
            Some((certificate, key)) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(client)).connect(name, stream).await
    }
}

fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `localhost` and its key, in PEM.
fn issued(authority: &Issuer) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

/// A good request over a stream; none if it was closed without an answer.
async fn request(mut stream: TlsStream<TcpStream>) -> Option<Answer> {
    let body = traces(2);
    let length = body.len().to_string();
    let headers = [("content-type", PROTOBUF), ("content-length", &*length)];
    let bytes = [head("POST", "/v1/traces", &headers).as_bytes(), &body].concat();
    stream.write_all(&bytes).await.ok()?;
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    Answer::parse(&answer)
}

#[tokio::test]
async fn requests_come_over_tls_and_plain_ones_do_not() {
    let folder = Folder::new();
    let server =
        Server::http_with(config(), OtlpConfig { security: folder.security(), ..otlp() }).await;
    let stream = folder.connect(server.address(), None).await.unwrap();
    assert_eq!(request(stream).await.unwrap().status, 200);
    assert_eq!(server.frame().items, 2);
    let plain = head("POST", "/v1/traces", &[("content-type", PROTOBUF)]);
    assert_eq!(exchange(server.address(), plain.as_bytes()).await, None);
    let stream = folder.connect(server.address(), None).await.unwrap();
    assert_eq!(request(stream).await.unwrap().status, 200);
    assert_eq!(server.listener.connections().handshakes_failed, 1);
}

#[tokio::test]
async fn a_slow_handshake_ends() {
    let folder = Folder::new();
    let mut limits: ConnectionLimits = otlp().connections;
    limits.pace.header = Duration::from_millis(100);
    let config_of = OtlpConfig { security: folder.security(), connections: limits, ..otlp() };
    let server = Server::http_with(config(), config_of).await;
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    let mut trickling = TcpStream::connect(server.address()).await.unwrap();
    trickling.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
    for stream in [&mut silent, &mut trickling] {
        assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    }
    let stream = folder.connect(server.address(), None).await.unwrap();
    assert_eq!(request(stream).await.unwrap().status, 200);
    assert_eq!(server.listener.connections().handshakes_failed, 2);
}

#[tokio::test]
async fn clients_show_a_certificate_of_the_authority() {
    let folder = Folder::new();
    let mut security = folder.security();
    security.tls.as_mut().unwrap().client_authorities = Some(folder.path("ca.pem"));
    let server = Server::http_with(config(), OtlpConfig { security, ..otlp() }).await;
    let stranger = authority();
    for own in [None, Some(issued(&stranger))] {
        // The refusal may come with the handshake or with the first read after it.
        if let Ok(stream) = folder.connect(server.address(), own).await {
            assert_eq!(request(stream).await, None);
        }
    }
    let own = Some(issued(&folder.authority));
    let stream = folder.connect(server.address(), own).await.unwrap();
    assert_eq!(request(stream).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
    let folder = Folder::new();
    let server =
        Server::http_with(config(), OtlpConfig { security: folder.security(), ..otlp() }).await;
    let shown = async || {
        let stream = folder.connect(server.address(), None).await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        assert_eq!(request(stream).await.unwrap().status, 200);
        shown
    };
    let before = shown().await;
    let renewed = folder.renew_server();
    assert_ne!(before, renewed);
    for round in 0.. {
        if shown().await == renewed {
            break;
        }
        assert!(round < 500, "it was not taken");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    folder.write("key.pem", "no key");
    while server.listener.connections().reloads_failed == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let tls = server.listener.watch().tls().unwrap();
    assert!(tls.trouble.as_ref().is_some_and(|text| text.contains("key.pem")), "{tls:?}");
    assert!(tls.validity.is_some_and(|valid| valid.from_ns < valid.until_ns), "{tls:?}");
    assert_eq!(shown().await, renewed);
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let folder = Folder::new();
    let (intake, _receiver) = Intake::new(config()).unwrap();
    let error = async |files: TlsFiles| {
        let security = Security { tls: Some(files), ..Security::default() };
        let result = listen_http(OtlpConfig { security, ..otlp() }, &intake).await;
        result.err().expect("it cannot be used").to_string()
    };
    let files = folder.files();
    let missing = TlsFiles { certificate: folder.path("none.pem"), ..files.clone() };
    assert!(error(missing).await.contains("none.pem"));
    let swapped = TlsFiles { key: folder.path("server.pem"), ..files.clone() };
    assert!(error(swapped).await.contains("a private key in PEM"));
    let swapped = TlsFiles { certificate: folder.path("key.pem"), ..files.clone() };
    assert!(error(swapped).await.contains("certificates in PEM"));
    folder.write("other.pem", &issued(&folder.authority).1);
    let other = TlsFiles { key: folder.path("other.pem"), ..files.clone() };
    assert!(error(other).await.contains("other.pem"));
    open_to_all(&files.key);
    assert!(error(files).await.contains("`chmod o=`"));
}

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

#[tokio::test]
async fn what_others_can_reach_demands_tls_and_credentials() {
    let folder = Folder::new();
    let (intake, _receiver) = Intake::new(config()).unwrap();
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let error = async |security: Security| {
        let config = OtlpConfig { address: everywhere, security, ..otlp() };
        let http = listen_http(config.clone(), &intake).await.err().map(|e| e.to_string());
        let grpc = listen_grpc(config.clone(), &intake).await.err().map(|e| e.to_string());
        let address = Address::Tcp(everywhere);
        let lines = LinesConfig { security: config.security, ..LinesConfig::new(address, SOURCE) };
        let lines = listen_lines(lines, &intake).await.err().map(|e| e.to_string());
        assert_eq!((&http, &http), (&grpc, &lines));
        http
    };
    let plain = error(Security::default()).await.unwrap();
    assert!(plain.starts_with("expected TLS (certificate and key) on `0.0.0.0:0`"), "{plain}");
    let open = error(folder.security()).await.unwrap();
    assert!(open.starts_with("expected bearer tokens or certificates of clients"), "{open}");
    let tokens = Some(Tokens::new(["t"]));
    assert!(error(Security { tokens: tokens.clone(), ..Security::default() }).await.is_some());
    assert_eq!(error(Security { tokens, ..folder.security() }).await, None);
    let mut both_ways = folder.security();
    both_ways.tls.as_mut().unwrap().client_authorities = Some(folder.path("ca.pem"));
    assert_eq!(error(both_ways).await, None);
    assert_eq!(error(Security { allow_insecure: true, ..Security::default() }).await, None);
    let loopback = OtlpConfig { address: "[::1]:0".parse().unwrap(), ..otlp() };
    let listener = listen_http(loopback, &intake).await.unwrap();
    if let Address::Tcp(address) = listener.address() {
        assert_eq!(post(*address, "/v1/traces", PROTOBUF, &[], &traces(1)).await.status, 200);
    }
}

#[tokio::test]
async fn a_key_with_a_passphrase_is_told_as_one() {
    let folder = Folder::new();
    let pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    folder.write("key.pem", pem);
    let server = Intake::new(config()).unwrap();
    let refused =
        listen_http(OtlpConfig { security: folder.security(), ..otlp() }, &server.0).await;
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("the key has a passphrase"), "{error}");
}
