//! How a run is told to end: the first signal lets it finish, the second one stops it at once.
//! SIGHUP does not end it: files that it follows are looked at then.
//!
//! A thread of its own hears signals, so that a second one is answered whatever hangs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::watch;

use crate::terminal::tell;

/// What to say of what is left behind, in sentences.
type Left = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// Exit codes of a program that a signal ended begin here (POSIX shells).
const SIGNAL_CODES_FROM: i32 = 128;

/// Whether the run was told to end.
#[derive(Clone, Default)]
pub(in crate::command::run) struct Ending {
    told: Arc<AtomicBool>,
    left: Arc<OnceLock<Left>>,
    /// How often SIGHUP came.
    hangups: Arc<watch::Sender<u64>>,
}

/// Tells those that follow files when to look at them.
#[derive(Clone)]
pub(in crate::command::run) struct Looks(watch::Receiver<u64>);

impl Looks {
    /// Waits so long, or for SIGHUP; whether it was that.
    pub(in crate::command::run) async fn next(&mut self, every: Duration) -> bool {
        match tokio::time::timeout(every, self.0.changed()).await {
            Ok(Ok(())) => true,
            Err(_) => false,
            Ok(Err(_)) => {
                tokio::time::sleep(every).await; // nobody hears signals any more
                false
            }
        }
    }
}

impl Ending {
    /// Listens from now on.
    ///
    /// # Errors
    /// If signals cannot be heard.
    pub(in crate::command::run) fn new() -> anyhow::Result<Self> {
        let ending = Self::default();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let own = ending.clone();
        std::thread::Builder::new().name("tailwater-signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                if signal == SIGHUP {
                    own.hangups.send_modify(|times| *times += 1);
                } else if own.told.swap(true, Ordering::Relaxed) {
                    own.stop_at_once(signal);
                }
            }
        })?;
        Ok(ending)
    }

    /// What the second signal says before the program ends.
    pub(in crate::command::run) fn leaves(
        &self,
        left: impl Fn() -> Vec<String> + Send + Sync + 'static,
    ) {
        // The first to say so knows best: it has all there is.
        let _ = self.left.set(Box::new(left));
    }

    /// Tells later, on any thread, whether it was told.
    pub(in crate::command::run) fn watch(&self) -> impl Fn() -> bool + Send + 'static {
        let told = Arc::clone(&self.told);
        move || told.load(Ordering::Relaxed)
    }

    /// Waits for SIGHUP from now on.
    pub(in crate::command::run) fn looks(&self) -> Looks {
        Looks(self.hangups.subscribe())
    }

    fn stop_at_once(&self, signal: i32) {
        let left = self.left.get().map(|left| left()).unwrap_or_default();
        tell("warning: a second signal: stopped at once\n");
        left.iter().for_each(|text| tell(&format!("warning: {text}\n")));
        signal_hook::low_level::exit(SIGNAL_CODES_FROM + signal);
    }
}
