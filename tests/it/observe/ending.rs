//! Signals, and words to the service manager.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::{RULES, Run, path};

fn heard(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).expect("a word in time");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn the_service_manager_hears_of_start_life_and_end() {
    let at = path("notify.sock");
    let _ = std::fs::remove_file(&at);
    let socket = UnixDatagram::bind(&at).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let environment = [("NOTIFY_SOCKET", at.to_str().unwrap()), ("WATCHDOG_USEC", "2000000")];
    let run = Run::start(RULES, &[], &environment);
    let first = heard(&socket);
    assert!(first.starts_with("READY=1\n"), "{first}");
    assert!(run.get("admin", "/readyz").starts_with("HTTP/1.1 200"));
    assert_eq!([heard(&socket), heard(&socket)], ["WATCHDOG=1", "WATCHDOG=1"]);
    run.signal("-TERM");
    let word = std::iter::repeat_with(|| heard(&socket)).find(|word| word != "WATCHDOG=1").unwrap();
    assert!(word.starts_with("STOPPING=1\n"), "{word}");
    assert_eq!(run.ended().0, Some(0));
}

#[test]
fn a_watchdog_of_another_process_is_not_ours() {
    let at = path("notify-other.sock");
    let _ = std::fs::remove_file(&at);
    let socket = UnixDatagram::bind(&at).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let at = at.to_str().unwrap();
    let environment = [("NOTIFY_SOCKET", at), ("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")];
    let run = Run::start(RULES, &[], &environment);
    run.waits("/metrics", |page| {
        let ticks = page.lines().find_map(|line| line.strip_prefix("tailwater_ticks_total "));
        ticks.is_some_and(|ticks| ticks.trim().parse::<u32>().unwrap() >= 2)
    });
    run.signal("-TERM");
    assert!(heard(&socket).starts_with("READY=1\n"));
    assert!(heard(&socket).starts_with("STOPPING=1\n"));
    assert_eq!(run.ended().0, Some(0));
}

#[test]
fn the_second_signal_stops_at_once() {
    for (first, second, code) in
        [("-TERM", "-TERM", 143), ("-INT", "-INT", 130), ("-TERM", "-INT", 130)]
    {
        // It accepts connections and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let run = Run::start(RULES, &["--webhook", &url, "--grace", "60"], &[]);
        run.spans("shop", 3, 0);
        run.spans("shop", 1, 5);
        run.waits("/metrics", |page| page.contains("tailwater_rule_rows_total{rule=\"Many\"} 1\n"));
        run.signal(first);
        // It lets no more in, and waits for the sink.
        run.waits("/readyz", |page| !page.is_empty());
        std::thread::park_timeout(Duration::from_millis(300));
        run.signal(second);
        let (found, stdout, stderr) = run.ended();
        assert_eq!(found, Some(code), "{stderr}");
        assert!(stdout.contains("\"alert\":\"Many\""), "what was said stays said: {stdout}");
        assert!(stderr.contains("a second signal: stopped at once"), "{stderr}");
        assert!(stderr.contains("webhook: 1 items were not delivered"), "{stderr}");
    }
}
