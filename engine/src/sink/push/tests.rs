//! The worker under virtual time, with a receiver that does as it is told.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::model::{RowKind, RuleId};
use crate::sink::counts::Failure;
use crate::sink::http::{Ending, Kind};
use crate::sink::trouble::Report;

/// How the receiver answers an attempt.
#[derive(Debug, Clone, Copy)]
enum Act {
    Take,
    /// After so long: not taken, may come again.
    Fail(Duration),
    /// Not taken, come again after so long.
    Later(Duration),
    Refuse,
    /// Takes, after so long.
    Slow(Duration),
    Rejects(u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Attempt {
    at: Duration,
    body: String,
}

struct Fake {
    acts: Arc<Mutex<VecDeque<Act>>>,
    then: Act,
    attempts: Arc<Mutex<Vec<Attempt>>>,
    started: Instant,
}

impl Post for Fake {
    async fn pack(&self, body: Bytes) -> Bytes {
        body
    }

    async fn post(&mut self, _: &'static str, body: Bytes) -> Ending {
        let body = String::from_utf8(body.to_vec()).unwrap();
        let at = now().duration_since(self.started);
        self.attempts.lock().unwrap().push(Attempt { at, body });
        let act = self.acts.lock().unwrap().pop_front().unwrap_or(self.then);
        match act {
            Act::Take => Ending::taken(Bytes::new()),
            Act::Slow(time) => {
                tokio::time::sleep(time).await;
                Ending::taken(Bytes::new())
            }
            Act::Fail(time) => {
                tokio::time::sleep(time).await;
                Ending::again(Failure::Timeout, "no answer".to_owned())
            }
            Act::Later(time) => {
                Ending { kind: Kind::Again(Failure::Busy, Some(time)), text: "busy".to_owned() }
            }
            Act::Refuse => Ending { kind: Kind::Refused(Failure::Refused), text: "no".to_owned() },
            Act::Rejects(count) => Ending::taken(Bytes::from(count.to_string())),
        }
    }
}

/// Bodies name the items.
struct Numbers;

impl Encode for Numbers {
    fn encode(&mut self, batch: &[Said]) -> Option<(&'static str, Bytes)> {
        let text: Vec<String> = batch.iter().map(|said| number(said).to_string()).collect();
        Some(("text/plain", Bytes::from(text.join(" "))))
    }

    fn rejected(&self, answer: &[u8]) -> Option<(u64, String)> {
        let rejected = std::str::from_utf8(answer).ok()?.parse().ok()?;
        Some((rejected, "bad\u{7} ones".to_owned()))
    }

    fn weight(&self, said: &Said) -> usize {
        number(said).to_string().len() + 1
    }
}

fn number(said: &Said) -> i64 {
    match said {
        Said::Row(row) => row.end_ns,
        Said::Transition(transition) => transition.decision_ns,
        Said::Item(item) => item.decision_ns,
    }
}

fn row(number: i64) -> Said {
    Said::Row(Arc::new(Row {
        rule: RuleId(0),
        decision_ns: 0,
        start_ns: 0,
        end_ns: number,
        kind: RowKind::Final,
        is_other: false,
        key: Arc::default(),
        values: Vec::new(),
    }))
}

struct Sink {
    push: Push,
    acts: Arc<Mutex<VecDeque<Act>>>,
    attempts: Arc<Mutex<Vec<Attempt>>>,
    reports: Arc<Mutex<Vec<Report>>>,
}

impl Sink {
    fn start(config: PushConfig, acts: &[Act], then: Act) -> Self {
        let acts = Arc::new(Mutex::new(acts.iter().copied().collect::<VecDeque<_>>()));
        let attempts = Arc::new(Mutex::new(Vec::new()));
        let reports = Arc::new(Mutex::new(Vec::new()));
        let fake =
            Fake { acts: Arc::clone(&acts), then, attempts: Arc::clone(&attempts), started: now() };
        let told = Arc::clone(&reports);
        let tell: Tell = Arc::new(move |report: &Report| {
            told.lock().unwrap_or_else(PoisonError::into_inner).push(report.clone());
        });
        Self { push: Push::with(config, fake, Numbers, tell), acts, attempts, reports }
    }

    fn offer(&self, numbers: impl IntoIterator<Item = i64>) {
        numbers.into_iter().for_each(|number| self.push.offer(row(number)));
    }

    fn attempts(&self) -> Vec<Attempt> {
        self.attempts.lock().unwrap().clone()
    }

    fn bodies(&self) -> Vec<String> {
        self.attempts().into_iter().map(|attempt| attempt.body).collect()
    }

    fn checked(&self) -> SinkCounts {
        let counts = self.push.counts();
        assert_eq!(counts.offered, counts.delivered + counts.dropped_in_all() + counts.waiting());
        counts
    }
}

fn config() -> PushConfig {
    PushConfig {
        batch: 1,
        interval: ms(1_000),
        interval_min: ms(100),
        breaker_failures: 2,
        breaker_pause: ms(10_000),
        retry_within: ms(300_000),
        ..PushConfig::new("fake", "http://unused")
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

async fn after(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_waits_probes_once_and_closes() {
    let fail = Act::Fail(ms(0));
    let sink = Sink::start(config(), &[fail; 3], Act::Take);
    sink.offer([1, 2]);
    after(ms(5_000)).await;
    assert_eq!(sink.bodies(), ["1", "1"], "two failures open it");
    assert_eq!((sink.push.breaker(), sink.checked().breaker_opened), (BreakerState::Open, 1));
    after(ms(10_000)).await;
    let attempts = sink.attempts();
    assert_eq!(attempts.len(), 3, "one probe, which failed: {attempts:?}");
    assert!(attempts[2].at.saturating_sub(attempts[1].at) >= ms(10_000), "{attempts:?}");
    assert_eq!((sink.push.breaker(), sink.checked().breaker_opened), (BreakerState::Open, 2));
    after(ms(60_000)).await;
    assert_eq!(sink.bodies(), ["1", "1", "1", "1", "2"]);
    assert_eq!(sink.push.breaker(), BreakerState::Closed);
    let counts = sink.checked();
    assert_eq!((counts.delivered, counts.requests, counts.retries), (2, 5, 3));
    assert_eq!(counts.failed_by(Failure::Timeout), 3);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_times_out_opens_the_breaker_again_and_no_other_goes_beside_it() {
    let sink = Sink::start(config(), &[Act::Fail(ms(0)), Act::Fail(ms(0))], Act::Fail(ms(9_000)));
    sink.offer(1..=50);
    after(ms(12_500)).await;
    assert_eq!(sink.push.breaker(), BreakerState::HalfOpen, "the probe hangs");
    assert_eq!(sink.attempts().len(), 3);
    after(ms(8_500)).await;
    assert_eq!((sink.push.breaker(), sink.attempts().len()), (BreakerState::Open, 3));
    after(ms(14_000)).await;
    assert_eq!(sink.attempts().len(), 4, "the next one after another pause");
    assert_eq!(sink.checked().failed_by(Failure::Timeout), 3);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_full_while_the_breaker_turns_drops_and_counts_and_drains_after() {
    let small = PushConfig { queue: 10, ..config() };
    let sink = Sink::start(small, &[Act::Fail(ms(0)); 3], Act::Take);
    sink.offer(1..=5);
    after(ms(5_000)).await;
    assert_eq!(sink.push.breaker(), BreakerState::Open);
    sink.offer(6..=100);
    let counts = sink.checked();
    assert_eq!((counts.queued, counts.in_flight), (10, 1));
    assert_eq!((counts.dropped_for(DropReason::Full), counts.dropped_in_all()), (89, 89));
    after(ms(100_000)).await;
    let counts = sink.checked();
    assert_eq!((counts.delivered, counts.waiting(), counts.breaker), (11, 0, BreakerState::Closed));
    assert_eq!(counts.breaker_opened, 2);
    let taken: Vec<String> = sink.bodies().split_off(3);
    assert_eq!(taken, (1..=11).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_while_half_open_closes_the_breaker() {
    let acts = [Act::Fail(ms(0)), Act::Fail(ms(0)), Act::Refuse];
    let sink = Sink::start(config(), &acts, Act::Take);
    sink.offer([1, 2]);
    after(ms(60_000)).await;
    let counts = sink.checked();
    assert_eq!((counts.dropped_for(DropReason::Refused), counts.delivered), (1, 1));
    assert_eq!(counts.breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_dead_sink_takes_nothing_from_a_healthy_one() {
    let quick = PushConfig { queue: 50, batch: 10, ..config() };
    let alone = Sink::start(quick.clone(), &[], Act::Slow(ms(10)));
    let healthy = Sink::start(quick.clone(), &[], Act::Slow(ms(10)));
    let dead = Sink::start(quick.clone(), &[], Act::Fail(ms(10_000)));
    let hanging = Sink::start(quick, &[], Act::Slow(ms(3_600_000)));
    for step in 0..2_000 {
        for sink in [&healthy, &dead, &hanging] {
            sink.offer([step * 2, step * 2 + 1]);
        }
        after(ms(2)).await;
    }
    let beside = healthy.checked().delivered;
    for step in 0..2_000 {
        alone.offer([step * 2, step * 2 + 1]);
        after(ms(2)).await;
    }
    let by_itself = alone.checked().delivered;
    assert!(by_itself > 3_500, "{by_itself}");
    assert!(
        beside as f64 >= by_itself as f64 * 0.95,
        "{beside} beside dead ones, {by_itself} alone"
    );
    for sink in [&dead, &hanging] {
        let counts = sink.checked();
        assert_eq!((counts.delivered, counts.offered), (0, 4_000));
        assert!(counts.waiting() <= 60, "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_receiver_names_is_kept() {
    let sink = Sink::start(config(), &[Act::Later(ms(3_000))], Act::Take);
    sink.offer([1]);
    after(ms(5_000)).await;
    let attempts = sink.attempts();
    assert_eq!(attempts[1].at.saturating_sub(attempts[0].at), ms(3_000));
}

#[tokio::test(start_paused = true)]
async fn a_pause_beyond_the_deadline_loses_the_batch_at_once_and_the_next_one_goes_on() {
    let sink = Sink::start(config(), &[Act::Later(ms(400_000))], Act::Take);
    sink.offer([1, 2]);
    after(ms(2_000)).await;
    let counts = sink.checked();
    assert_eq!((counts.dropped_for(DropReason::Late), counts.delivered), (1, 1));
    let reports = sink.reports.lock().unwrap();
    let told: Vec<String> = reports.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["busy; 1 item tried again", "busy; there is no time left; 1 item dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_no_retries_drops_at_the_first_failure() {
    let never = PushConfig { retry_within: Duration::ZERO, breaker_failures: 100, ..config() };
    let sink = Sink::start(never, &[Act::Fail(ms(5))], Act::Take);
    sink.offer([1, 2]);
    after(ms(5_000)).await;
    let counts = sink.checked();
    assert_eq!((counts.dropped_for(DropReason::Late), counts.delivered, counts.retries), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_batch_leaves_when_it_is_full_by_count_or_bytes_or_old() {
    let by_count = PushConfig { batch: 3, ..config() };
    let sink = Sink::start(by_count, &[], Act::Take);
    sink.offer(1..=7);
    after(ms(1)).await;
    assert_eq!(sink.bodies(), ["1 2 3", "4 5 6"], "the last one waits for more");
    after(ms(1_000)).await;
    assert_eq!(sink.bodies(), ["1 2 3", "4 5 6", "7"]);
    let by_bytes = PushConfig { batch: 100, bytes: 12, ..config() };
    let sink = Sink::start(by_bytes, &[], Act::Take);
    sink.offer([100, 101, 102, 103, 1_000_000_000_000, 5]);
    after(ms(5_000)).await;
    assert_eq!(sink.bodies(), ["100 101 102", "103", "5"]);
    assert_eq!(sink.checked().dropped_for(DropReason::TooLarge), 1);
    assert!(sink.bodies().iter().all(|body| body.len() <= 12));
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_shorter_the_more_wait_between_two_bounds() {
    let hundred = PushConfig { batch: 100, ..config() };
    let mut times = Vec::new();
    for backlog in [1, 51, 99] {
        // A first batch that takes a while lets others gather behind it.
        let sink = Sink::start(hundred.clone(), &[Act::Slow(ms(5_000))], Act::Take);
        sink.offer([0]);
        after(ms(3_000)).await;
        sink.offer(1..=backlog);
        after(ms(10_000)).await;
        times.push(sink.attempts()[1].at.checked_sub(ms(6_000)).unwrap().as_millis());
    }
    // One is taken, the others wait: none, 50, 98 of 100.
    assert_eq!(times, [1_000, 550, 118]);
}

#[tokio::test(start_paused = true)]
async fn a_busy_receiver_that_names_no_time_or_one_that_is_over_is_not_hurried() {
    let over = Act::Later(Duration::ZERO);
    let patient = PushConfig { breaker_failures: 9, ..config() };
    let sink = Sink::start(patient, &[over, over, over], Act::Take);
    sink.offer([1]);
    after(ms(60_000)).await;
    let at: Vec<u128> = sink.attempts().iter().map(|one| one.at.as_millis()).collect();
    let pauses: Vec<u128> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses.len(), 3);
    let usual = [250..=500, 500..=1_000, 1_000..=2_000];
    assert!(usual.iter().zip(&pauses).all(|(usual, pause)| usual.contains(pause)), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn partial_success_is_counted_told_and_never_sent_again() {
    let three = PushConfig { batch: 3, ..config() };
    let sink = Sink::start(three, &[Act::Rejects(2), Act::Rejects(0), Act::Rejects(99)], Act::Take);
    sink.offer(1..=9);
    after(ms(5_000)).await;
    let counts = sink.checked();
    assert_eq!(counts.dropped_for(DropReason::Rejected), 5);
    assert_eq!((counts.delivered, counts.requests, counts.retries), (4, 3, 0));
    let reports = sink.reports.lock().unwrap();
    let told: Vec<String> = reports.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "it rejected 2 of 3: bad  ones; 2 items dropped",
            "it took all, and says: bad  ones",
            "it rejected 99 of 3: bad  ones; 3 items dropped",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_an_attempt_that_hangs_at_its_deadline() {
    let sink = Sink::start(config(), &[], Act::Slow(ms(3_600_000)));
    sink.offer(1..=5);
    after(ms(2_000)).await;
    let begun = now();
    let counts = sink.push.stop(ms(4_000)).await;
    assert!(now() - begun < ms(4_100), "{:?}", now() - begun);
    assert_eq!((counts.dropped_for(DropReason::Stopping), counts.waiting()), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stop_delivers_what_waits_without_waiting_for_more() {
    let sink = Sink::start(PushConfig { batch: 100, ..config() }, &[], Act::Take);
    sink.offer(1..=5);
    let begun = now();
    let counts = sink.push.stop(ms(4_000)).await;
    assert_eq!((counts.delivered, counts.requests), (5, 1));
    assert!(now() - begun < ms(10));
    assert!(sink.acts.lock().unwrap().is_empty());
}
