//! What is served over HTTP beside telemetry: results for Prometheus, and how the run is.

use std::sync::Arc;

use tailwater_engine::Error;
use tailwater_engine::clock::steady_clock;
use tailwater_engine::sink::pages::{MakePage, Page, PageServer};
use tailwater_engine::sink::prometheus::PageFormat;

use super::observe::Observed;
use super::sinks::{ResultsPage, SharedStore, locked};
use crate::args::At;

/// The page servers of a run.
pub(super) struct Pages {
    servers: Vec<(String, PageServer)>,
}

impl Pages {
    /// Starts the servers that are wanted.
    pub(super) async fn start(
        admin_at: At,
        observed: &Arc<Observed>,
        results: &[ResultsPage],
    ) -> Result<Self, Error> {
        let mut servers = Vec::new();
        for page in results {
            let what = match &*page.name {
                "prometheus" => "Prometheus".to_owned(),
                name => format!("Prometheus `{name}`"),
            };
            servers.push((what, PageServer::start(page.at, results_page(&page.store)).await?));
        }
        if let At::Address(address) = admin_at {
            servers.push(("admin".to_owned(), PageServer::start(address, admin(observed)).await?));
        }
        Ok(Self { servers })
    }

    /// Where they are, for people.
    pub(super) fn places(&self) -> impl Iterator<Item = String> + '_ {
        self.servers.iter().map(|(name, server)| format!("{name} on {}", server.address()))
    }

    /// Stops the servers.
    pub(super) async fn stop(self) {
        for (_, server) in self.servers {
            server.stop().await;
        }
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";

fn results_page(store: &SharedStore) -> MakePage {
    let (store, clock) = (Arc::clone(store), steady_clock());
    Arc::new(move |path, accept| {
        if path != "/metrics" {
            return None;
        }
        let format = PageFormat::accepted(accept);
        let mut store = locked(&store);
        store.expire(clock());
        let body = store.page(format);
        Some(Page { status: 200, content_type: format.content_type(), body })
    })
}

fn admin(observed: &Arc<Observed>) -> MakePage {
    let observed = Arc::clone(observed);
    Arc::new(move |path, _| {
        let is_ready = observed.is_ready();
        let (status, content_type, text) = match path {
            "/livez" => (200, PLAIN, "ok\n".to_owned()),
            "/readyz" if is_ready => (200, PLAIN, "ok\n".to_owned()),
            "/readyz" => (503, PLAIN, "not ready: starting or stopping\n".to_owned()),
            "/healthz" => {
                let status = if is_ready { 200 } else { 503 };
                (status, "application/json", observed.health())
            }
            "/metrics" => (200, PageFormat::Text.content_type(), observed.page()),
            _ => return None,
        };
        Some(Page { status, content_type, body: text.into() })
    })
}
