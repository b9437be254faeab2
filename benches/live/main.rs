//! A live run under load: CPU a span of the server by protocol, beside a peer under the same
//! client; how soon a closed window's rows are in the output file; how long a request waits.
//!
//! `cargo bench -p tailwater --bench live [-- WHAT…] [--peer PROGRAM]`, WHAT out of `latency`,
//! `idle`, `cpu` (or `cpu=TEXT` for protocols with that text in their names), `soak[=SECONDS]`;
//! without one it is the first three. The peer is rotel's
//! agent, which decodes and discards. Client and server share the machine, so CPU is what is
//! compared.
//!
//! Every loop over the load shifts its timestamps by the load's own length, so that nothing is
//! late; after the load one last span closes all windows, and the rows must count every span.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::format_push_string,
    missing_docs,
    reason = "a bench measures time and prints it, and stops at what it does not expect"
)]

mod bodies;
mod load;
mod server;
mod sinks;
mod soak;
#[path = "../workload.rs"]
mod workload;

use std::time::{Duration, Instant};

use bodies::{Bodies, Form};
use load::{Load, Way};
use server::Server;

/// Spans of one loop over the load: 51 s of event time.
const LOOP_SPANS: usize = 256 * 1_000;

fn main() {
    let mut peer = None;
    let mut wanted = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--peer" => peer = arguments.next(),
            "--bench" => {}
            _ => wanted.push(argument),
        }
    }
    if wanted.is_empty() {
        wanted = ["cpu", "latency", "idle"].map(str::to_owned).to_vec();
    }
    for what in wanted {
        match what.split('=').next().unwrap_or_default() {
            "cpu" => cpu(peer.as_deref(), what.split('=').nth(1).unwrap_or_default()),
            "latency" => latency(),
            "idle" => idle(),
            "soak" => {
                let seconds = what.split('=').nth(1).and_then(|text| text.parse().ok());
                soak::soak(Duration::from_secs(seconds.unwrap_or(600)));
            }
            other => println!("`{other}` is none of cpu, latency, idle, soak"),
        }
    }
}

/// CPU seconds of the server for a million spans, over several loops after one to warm up; of
/// protocols whose names hold a text.
fn cpu(peer: Option<&str>, of: &str) {
    println!("server CPU, W1 running: µs a span (µs of the peer, ratio); rows checked");
    for (name, way, form, loops) in [
        ("OTLP/HTTP protobuf", Way::Http, Form::Protobuf, 8),
        ("OTLP/gRPC", Way::Grpc, Form::Protobuf, 8),
        ("OTLP/HTTP JSON", Way::Http, Form::Json, 4),
        ("line protocol", Way::Lines, Form::Lines, 12),
    ] {
        if !name.contains(of) {
            continue;
        }
        let bodies = Bodies::new(form, LOOP_SPANS);
        let server = Server::tailwater(server::W1, &[]);
        let ours = server.cpu_of(&bodies, way, loops);
        let said = server.end_checked((1 + loops) * bodies.spans() as u64);
        let anchor = match (way, peer) {
            (Way::Lines, _) => Some(server::replayed(4 * LOOP_SPANS)),
            (_, Some(peer)) => Some(Server::peer(peer).cpu_of(&bodies, way, loops)),
            _ => None,
        };
        let beside = anchor.map_or(String::new(), |anchor| {
            format!(" ({:.2}, {:.2})", anchor * 1e6, ours / anchor)
        });
        println!("  {name:<20} {:>6.2}{beside}; {said}", ours * 1e6);
    }
}

/// Half of what the server can take: how long requests and rows wait.
fn latency() {
    let bodies = Bodies::new(Form::Protobuf, LOOP_SPANS);
    let server = Server::tailwater(server::W1, &[]);
    let full = Load { way: Way::Http, address: server.address(Way::Http), pace: None };
    full.run(&bodies, 0..1);
    let began = Instant::now();
    full.run(&bodies, 1..5);
    let rate = 4.0 * bodies.spans() as f64 / began.elapsed().as_secs_f64();
    let half = Load { pace: Some(rate / 2.0), ..full };
    let loops = (rate / 2.0 * 20.0 / bodies.spans() as f64).ceil() as u64;
    let watch = server.watch_rows();
    let done = half.run(&bodies, 5..5 + loops);
    let rows = watch.stop();
    println!("half load: {:.0} of {rate:.0} spans a second", rate / 2.0);
    print("  request in to response", done.waits.clone());
    let waits = done.crossings(&bodies).filter_map(|(end_ns, sent)| {
        rows.get(&end_ns).map(|(_, last)| last.saturating_duration_since(sent))
    });
    print("  last event of a window to its last row in the file", waits.collect());
    let said = server.end_checked((5 + loops) * bodies.spans() as u64);
    println!("  {said}");
}

fn print(name: &str, mut waits: Vec<Duration>) {
    waits.sort_unstable();
    let at = |q: f64| waits.get(((waits.len() as f64 * q) as usize).min(waits.len() - 1));
    let ms = |q: f64| at(q).map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3);
    let (p50, p99, worst) = (ms(0.5), ms(0.99), ms(1.0));
    println!("{name}: p50 {p50:.2} ms, p99 {p99:.2} ms, worst {worst:.2} ms of {}", waits.len());
}

/// A run with nothing to do.
fn idle() {
    let server = Server::tailwater(server::W1, &[]);
    std::thread::sleep(Duration::from_secs(2));
    let (before, began) = (server.cpu_s(), Instant::now());
    std::thread::sleep(Duration::from_secs(20));
    let share = (server.cpu_s() - before) / began.elapsed().as_secs_f64();
    println!("idle: {:.2} % of a core, {:.1} MB resident", share * 100.0, server.rss_mb());
}
