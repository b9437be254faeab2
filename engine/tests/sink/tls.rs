//! Sinks over TLS: authorities, certificates of clients, tokens, and files that change.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tailwater_engine::ingest::listen::{
    Address, Intake, IntakeConfig, IntakeReceiver, Listener, OtlpConfig as ListenConfig, Security,
    TlsFiles, Tokens, listen_grpc, listen_http,
};
use tailwater_engine::model::SourceId;
use tailwater_engine::sink::otlp::{OtlpConfig, OtlpSink, Protocol};
use tailwater_engine::sink::{ClientKey, ClientTls, DropReason, Failure, SinkCounts, Trouble};
use tempfile::TempDir;

use crate::support::{Told, count, shapes};

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// Certificates of a server, of its clients and of a stranger, in a folder.
struct Folder {
    held: TempDir,
    authority: Issuer,
    stranger: Issuer,
}

fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Self { held: folder, authority: authority(), stranger: authority() };
        made.write("ca.pem", &made.authority.pem());
        made.write("stranger.pem", &made.stranger.pem());
        made.issue("server", &made.authority);
        made.issue("client", &made.authority);
        made
    }

    fn issue(&self, name: &str, authority: &Issuer) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        self.write(&format!("{name}.pem"), &params.signed_by(&key, authority).unwrap().pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.held.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path(name), mode).unwrap();
    }

    fn security(&self) -> Security {
        let files = TlsFiles::new(self.path("server.pem"), self.path("server.key"));
        Security { tls: Some(files), ..Security::default() }
    }

    fn mutual(&self) -> Security {
        let mut security = self.security();
        security.tls.as_mut().unwrap().client_authorities = Some(self.path("ca.pem"));
        security
    }

    fn client(&self, authorities: &str) -> ClientTls {
        ClientTls {
            authorities: Some(self.path(authorities)),
            own: None,
            check_every: Duration::from_millis(20),
        }
    }

    fn own(&self) -> ClientKey {
        let (certificate, key) = (self.path("client.pem"), self.path("client.key"));
        ClientKey { certificate, key }
    }
}

struct Server {
    listener: Listener,
    receiver: IntakeReceiver,
}

impl Server {
    async fn start(protocol: Protocol, security: Security) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = ListenConfig { security, ..ListenConfig::new(any, SourceId(1)) };
        let (intake, receiver) = Intake::new(IntakeConfig::default()).unwrap();
        let listener = match protocol {
            Protocol::Grpc => listen_grpc(config, &intake).await,
            _ => listen_http(config, &intake).await,
        };
        Self { listener: listener.unwrap(), receiver }
    }

    fn url(&self) -> String {
        match self.listener.address() {
            Address::Tcp(address) => format!("https://localhost:{}", address.port()),
            Address::Unix(path) => panic!("{}", path.display()),
        }
    }

    fn items(&self) -> u64 {
        let next = || self.receiver.recv_timeout(Duration::ZERO).ok();
        std::iter::from_fn(next).map(|accepted| accepted.items).sum()
    }
}

fn config(server: &Server, protocol: Protocol, tls: &ClientTls) -> OtlpConfig {
    let mut config = OtlpConfig::new("out", protocol, &server.url());
    for signal in config.signals_mut() {
        signal.push.target.tls = tls.clone();
        signal.push.target.timeout = Duration::from_secs(5);
        signal.push.interval = Duration::from_millis(20);
        signal.push.retry_within = Duration::from_secs(20);
    }
    config
}

/// Sends one row, and waits for how it ends.
async fn send_one(config: OtlpConfig, told: &Told) -> SinkCounts {
    let sink = OtlpSink::start(config, shapes(), told.tell()).unwrap();
    sink.offer(count("shop", 10, 1));
    sink.stop(Duration::from_secs(5)).await.metrics
}

const PROTOCOLS: [Protocol; 3] = [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc];

#[tokio::test]
async fn rows_go_over_tls_to_a_receiver_of_a_known_authority_alone() {
    let folder = Folder::new();
    for protocol in PROTOCOLS {
        let server = Server::start(protocol, folder.security()).await;
        let good = config(&server, protocol, &folder.client("ca.pem"));
        let told = Told::default();
        let counts = send_one(good, &told).await;
        assert_eq!((counts.delivered, counts.requests), (1, 1), "{protocol:?} {:?}", told.all());
        let mut other = config(&server, protocol, &folder.client("stranger.pem"));
        other.metrics.push.retry_within = Duration::ZERO;
        let told = Told::default();
        let counts = send_one(other, &told).await;
        assert_eq!((counts.delivered, counts.failed_by(Failure::Connect)), (0, 1), "{protocol:?}");
        assert!(told.all()[0].text.contains("certificate"), "{:?}", told.all());
        assert_eq!(server.items(), 1);
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate_and_a_renewed_one_is_used() {
    let folder = Folder::new();
    for protocol in PROTOCOLS {
        let server = Server::start(protocol, folder.mutual()).await;
        folder.issue("client", &folder.stranger);
        let tls = ClientTls { own: Some(folder.own()), ..folder.client("ca.pem") };
        let mut config = config(&server, protocol, &tls);
        config.metrics.push.breaker_failures = 1_000;
        let sink = OtlpSink::start(config, shapes(), Told::default().tell()).unwrap();
        sink.offer(count("shop", 10, 1));
        while sink.counts().metrics.failures.iter().sum::<u64>() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        folder.issue("client", &folder.authority);
        let counts = sink.stop(Duration::from_secs(10)).await.metrics;
        assert_eq!((counts.delivered, server.items()), (1, 1), "{protocol:?}: {counts:?}");
    }
}

#[tokio::test]
async fn files_that_change_into_what_cannot_be_used_leave_those_before_in_use_and_are_told() {
    let folder = Folder::new();
    let server = Server::start(Protocol::HttpProtobuf, folder.mutual()).await;
    let tls = ClientTls { own: Some(folder.own()), ..folder.client("ca.pem") };
    let told = Told::default();
    let config = config(&server, Protocol::HttpProtobuf, &tls);
    let sink = OtlpSink::start(config, shapes(), told.tell()).unwrap();
    folder.write("client.key", "hush, no key");
    tokio::time::sleep(Duration::from_millis(50)).await;
    sink.offer(count("shop", 10, 1));
    let counts = sink.stop(Duration::from_secs(5)).await.metrics;
    assert_eq!((counts.delivered, server.items()), (1, 1));
    let told = told.all();
    assert_eq!(told[0].trouble, Trouble::Files);
    assert!(told[0].text.contains("client.key") && !told[0].text.contains("hush"), "{told:?}");
}

#[tokio::test]
async fn a_token_from_a_file_is_read_again_when_it_changes() {
    let folder = Folder::new();
    let security = Security { tokens: Some(Tokens::new(["right"])), ..folder.security() };
    let server = Server::start(Protocol::HttpProtobuf, security).await;
    folder.write("token", "wrong\n");
    let mut config = config(&server, Protocol::HttpProtobuf, &folder.client("ca.pem"));
    config.metrics.push.target.bearer_file = Some(folder.path("token"));
    let told = Told::default();
    let sink = OtlpSink::start(config, shapes(), told.tell()).unwrap();
    sink.offer(count("shop", 10, 1));
    while sink.counts().metrics.dropped_for(DropReason::Refused) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(sink.counts().metrics.failed_by(Failure::Denied), 1);
    folder.write("token", "right");
    sink.offer(count("shop", 20, 1));
    let counts = sink.stop(Duration::from_secs(5)).await.metrics;
    assert_eq!((counts.delivered, server.items()), (1, 1));
    let report = &told.all()[0];
    assert_eq!((report.items, report.rule.as_deref()), (1, Some("http")));
    assert_eq!(report.key, "service.name=shop");
    assert!(told.all().iter().all(|report| !report.to_string().contains("wrong")));
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_before_anything_starts() {
    let folder = Folder::new();
    let start = |change: &dyn Fn(&mut OtlpConfig)| {
        let mut config = OtlpConfig::new("out", Protocol::HttpProtobuf, "https://localhost:1");
        config.metrics.push.target.tls = folder.client("ca.pem");
        change(&mut config);
        let started = OtlpSink::start(config, shapes(), Told::default().tell());
        started.err().expect("it cannot be used").to_string()
    };
    let authorities = |name: &str| {
        let path = Some(folder.path(name));
        start(&|config| config.metrics.push.target.tls.authorities.clone_from(&path))
    };
    assert!(authorities("none.pem").contains("none.pem"));
    assert!(authorities("client.key").contains("certificates in PEM"));
    let swapped = start(&|config| {
        let (certificate, key) = (folder.path("client.pem"), folder.path("server.key"));
        config.metrics.push.target.tls.own = Some(ClientKey { certificate, key });
    });
    assert!(swapped.contains("the certificate's private key"), "{swapped}");
    folder.write("token", "two words");
    let token = |name: &str| {
        let path = Some(folder.path(name));
        start(&|config| config.metrics.push.target.bearer_file.clone_from(&path))
    };
    assert!(token("no-token").contains("no-token"));
    let two = token("token");
    assert!(two.contains("one token") && !two.contains("words"), "{two}");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.path("client.key"), open).unwrap();
    let key = start(&|config| config.metrics.push.target.tls.own = Some(folder.own()));
    assert!(key.contains("others cannot read"), "{key}");
}

/// What a process of its own finds where its system keeps authorities: sends to the URL that its
/// variables name, and fails where that is not taken. By itself it does nothing.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "its parent tells it by variables what to do")]
async fn a_child_trusts_the_authorities_of_its_system() {
    let Ok(url) = std::env::var("TAILWATER_TEST_RECEIVER") else { return };
    let mut config = OtlpConfig::new("out", Protocol::HttpProtobuf, &url);
    config.metrics.push.retry_within = Duration::ZERO;
    let told = Told::default();
    let counts = send_one(config, &told).await;
    assert_eq!(counts.delivered, 1, "{:?}", told.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authorities_of_the_system_are_trusted_where_none_are_named() {
    let folder = Folder::new();
    let server = Server::start(Protocol::HttpProtobuf, folder.security()).await;
    let of_system = |authorities: &str| {
        let (url, file) = (server.url(), folder.path(authorities));
        tokio::task::spawn_blocking(move || {
            std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "tls::a_child_trusts_the_authorities_of_its_system"])
                .env("TAILWATER_TEST_RECEIVER", url)
                .env("SSL_CERT_FILE", file)
                .env_remove("SSL_CERT_DIR")
                .output()
                .unwrap()
        })
    };
    let trusted = of_system("ca.pem").await.unwrap();
    let said = String::from_utf8_lossy(&trusted.stdout);
    assert!(trusted.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(server.items(), 1);
    let strange = of_system("stranger.pem").await.unwrap();
    assert!(!strange.status.success(), "another system trusts others");
    assert_eq!(server.items(), 0);
}
