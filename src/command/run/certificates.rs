//! Certificates of listeners: those that are over, and files that cannot be taken, are told.
//!
//! A client refuses a certificate that is over, and says so on its own side alone: here there would
//! be nothing but failed handshakes.

use std::sync::Arc;
use std::time::Duration;

use tailwater_engine::clock::Clock;
use tailwater_engine::ingest::listen::{ConnectionWatch, TlsNow};
use tailwater_engine::model::render::time;

use super::observe::Looks;
use crate::args::LogLevel;
use crate::log::{Record, log};

/// How often they are looked at, as often as the files themselves.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long before its end a certificate is told, nanoseconds: a week.
const SOON_NS: i64 = 7 * 24 * 3_600 * 1_000_000_000;

/// Looks again and again, and when it is told to, without end; what is wrong is told once.
pub(super) async fn follow(
    listeners: Vec<(Arc<str>, ConnectionWatch)>,
    clock: Clock,
    mut looks: Looks,
) {
    let mut told = vec![[const { String::new() }; 2]; listeners.len()];
    loop {
        for ((name, watch), told) in listeners.iter().zip(&mut told) {
            let Some(tls) = watch.tls() else { continue };
            let wrong = [age(name, &tls, clock()), trouble(name, &tls)];
            for (wrong, told) in wrong.into_iter().zip(told) {
                let wrong = wrong.unwrap_or_default();
                if !wrong.is_empty() && wrong != *told {
                    let fields = &[];
                    log(&Record { level: LogLevel::Warn, message: &wrong, fields, left_out: 0 });
                }
                *told = wrong;
            }
        }
        looks.next(LOOK_EVERY).await;
    }
}

/// What is wrong with the time that it is valid for.
fn age(listener: &str, tls: &TlsNow, now_ns: i64) -> Option<String> {
    let valid = tls.validity?;
    let file = tls.certificate.display();
    let what = if now_ns > valid.until_ns {
        format!("is over since {}: clients refuse it", time(valid.until_ns))
    } else if now_ns < valid.from_ns {
        format!("is valid from {} on: clients refuse it until then", time(valid.from_ns))
    } else if valid.until_ns.saturating_sub(now_ns) < SOON_NS {
        format!("is valid until {} alone", time(valid.until_ns))
    } else {
        return None;
    };
    Some(format!("the certificate of `{listener}`, `{file}`, {what}"))
}

fn trouble(listener: &str, tls: &TlsNow) -> Option<String> {
    let trouble = tls.trouble.as_ref()?;
    Some(format!("{trouble}; `{listener}` goes on with the certificate and key from before"))
}

#[cfg(test)]
mod tests {
    use tailwater_engine::ingest::listen::Validity;

    use super::*;

    #[test]
    fn a_certificate_is_told_before_its_time_and_towards_its_end() {
        let validity = Some(Validity { from_ns: 1_000, until_ns: 1_000 + 2 * SOON_NS });
        let tls = TlsNow { certificate: "a.pem".into(), validity, trouble: None };
        let at = |now_ns| age("otlp_grpc", &tls, now_ns).unwrap_or_default();
        assert!(at(0).contains("`a.pem`, is valid from"), "{}", at(0));
        assert_eq!(at(1_000), "");
        assert_eq!(at(SOON_NS), "");
        assert!(at(SOON_NS + 1_001).contains("is valid until"));
        assert!(at(2 * SOON_NS + 1_001).contains("is over since"));
    }
}
