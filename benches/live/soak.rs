//! Minutes of load with disorder and all sinks on: memory stays, and nothing is unaccounted for.

use std::time::{Duration, Instant};

use super::LOOP_SPANS;
use super::bodies::{Bodies, Form};
use super::load::{Load, Way};
use super::server::Server;
use super::sinks::Receiver;

/// How far the fifth of the requests that is out of order comes too late: 4 s of event time.
const BEHIND_REQUESTS: usize = 40;

pub(super) fn soak(length: Duration) {
    let mut bodies = Bodies::new(Form::Protobuf, LOOP_SPANS);
    bodies.disorder(5, BEHIND_REQUESTS);
    let receiver = Receiver::start();
    let url = format!("http://{}", receiver.address);
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/live/soak.tw");
    let sinks = ["--alertmanager", &url, "--webhook", &url, "--otlp", &url];
    let server = Server::tailwater(rules, &sinks);
    let full = Load { way: Way::Http, address: server.address(Way::Http), pace: None };
    full.run(&bodies, 0..1);
    let began = Instant::now();
    full.run(&bodies, 1..3);
    let rate = 2.0 * bodies.spans() as f64 / began.elapsed().as_secs_f64();
    let half = Load { pace: Some(rate / 2.0), ..full };
    println!("soak: {:.0} spans a second, a fifth 4 s out of order, for {length:?}", rate / 2.0);
    let (began, mut loops, mut told) = (Instant::now(), 3, Duration::ZERO);
    while began.elapsed() < length {
        half.run(&bodies, loops..loops + 1);
        loops += 1;
        let page = server.page("Prometheus", "/metrics");
        if began.elapsed() >= told {
            told += length / 10;
            let (requests, series) = (receiver.requests(), page.lines().count());
            println!(
                "  {:>4.0} s: {:>6.1} MB, {requests} requests of sinks, {series} lines of the page",
                began.elapsed().as_secs_f64(),
                server.rss_mb()
            );
        }
    }
    println!("  {}", server.end_checked(loops * bodies.spans() as u64));
}
