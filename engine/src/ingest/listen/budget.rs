//! A bound on items and bytes that many senders share.
//!
//! A sender may hold as much as is still free: one noisy sender alone takes half, `n` noisy ones
//! leave `1/(n+1)` for those who come later (after Choudhury and Hahne, "Dynamic queue length
//! thresholds", 1998). A permit under way may grow past that share while its sender has no other.
//!
//! Invariant: the sum of all permits never exceeds the limit, and none is given out beyond what of
//! the limit is not reserved; a permit gives back what it holds when it is dropped. Who waits is
//! served in order of arrival; a sender at its share lets others pass, one that lacks room in the
//! whole does not.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::limits::INTAKE_WAITING_MAX;

/// Who shares: a peer address, or one connection where all peers are on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sender {
    Peer(IpAddr),
    Connection(u64),
}

/// Items and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) items: u64,
    pub(super) bytes: u64,
}

impl Amount {
    /// Bytes alone.
    pub(super) fn bytes(bytes: u64) -> Self {
        Self { items: 0, bytes }
    }

    fn plus(self, other: Self) -> Self {
        Self { items: self.items + other.items, bytes: self.bytes + other.bytes }
    }

    fn minus(self, other: Self) -> Self {
        Self { items: self.items - other.items, bytes: self.bytes - other.bytes }
    }

    fn is_within(self, limit: Self) -> bool {
        self.items <= limit.items && self.bytes <= limit.bytes
    }

    fn at_most(self, limit: Self) -> Self {
        Self { items: self.items.min(limit.items), bytes: self.bytes.min(limit.bytes) }
    }
}

struct Waiter {
    sender: Sender,
    need: Amount,
    /// What the permit that grows holds already.
    own: Amount,
    grant: oneshot::Sender<Permit>,
}

#[derive(Default)]
struct State {
    used: Amount,
    /// Bytes of the limit that nobody may take: they are held elsewhere.
    reserved: u64,
    held: BTreeMap<Sender, Amount>,
    waiters: VecDeque<Waiter>,
}

/// The bound.
pub(super) struct Budget {
    limit: Amount,
    state: Mutex<State>,
}

/// A part of a [`Budget`], given back on drop.
pub(super) struct Permit {
    budget: Arc<Budget>,
    sender: Sender,
    amount: Amount,
}

impl Budget {
    pub(super) fn new(limit: Amount) -> Arc<Self> {
        Arc::new(Self { limit, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is held by all permits.
    pub(super) fn used(&self) -> Amount {
        self.lock().used
    }

    /// What a sender may take at once.
    pub(super) fn free_for(&self, sender: Sender) -> Amount {
        let state = self.lock();
        let (free, held) = (state.free(self.limit), state.held_by(sender));
        Amount {
            items: free.items.saturating_sub(held.items),
            bytes: free.bytes.saturating_sub(held.bytes),
        }
    }

    /// Bytes that it bounds.
    pub(super) fn limit_bytes(&self) -> u64 {
        self.limit.bytes
    }

    /// Keeps bytes of the limit from being taken, in place of those reserved before. What is taken
    /// already stays.
    pub(super) fn reserve(self: &Arc<Self>, bytes: u64) {
        let before = std::mem::replace(&mut self.lock().reserved, bytes);
        if bytes < before {
            self.serve();
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiters.iter().filter(|waiter| !waiter.grant.is_closed()).count()
    }

    /// A permit at once, or none. An amount beyond the whole limit counts as the limit.
    pub(super) fn try_acquire(self: &Arc<Self>, sender: Sender, need: Amount) -> Option<Permit> {
        let need = need.at_most(self.limit);
        let mut state = self.lock();
        if !state.waiters.is_empty() || !state.fits(self.limit, sender, need, Amount::default()) {
            return None;
        }
        Some(state.charge(self, sender, need))
    }

    /// A permit, waiting for it until the deadline; none if there is no room by then or if too
    /// many wait.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        sender: Sender,
        need: Amount,
        deadline: Instant,
    ) -> Option<Permit> {
        self.acquire_more(sender, need, Amount::default(), deadline).await
    }

    async fn acquire_more(
        self: &Arc<Self>,
        sender: Sender,
        need: Amount,
        own: Amount,
        deadline: Instant,
    ) -> Option<Permit> {
        let need = need.at_most(self.limit);
        let granted = {
            let mut state = self.lock();
            if state.waiters.is_empty() && state.fits(self.limit, sender, need, own) {
                return Some(state.charge(self, sender, need));
            }
            state.waiters.retain(|waiter| !waiter.grant.is_closed());
            let mine = state.waiters.iter().filter(|waiter| waiter.sender == sender).count();
            if mine + state.waiters.len() >= INTAKE_WAITING_MAX {
                return None;
            }
            let (grant, granted) = oneshot::channel();
            state.waiters.push_back(Waiter { sender, need, own, grant });
            granted
        };
        self.serve();
        tokio::time::timeout_at(deadline, granted).await.ok()?.ok()
    }

    fn release(self: &Arc<Self>, sender: Sender, amount: Amount) {
        {
            let mut state = self.lock();
            state.used = state.used.minus(amount);
            if let Some(held) = state.held.get_mut(&sender) {
                *held = held.minus(amount);
                if *held == Amount::default() {
                    state.held.remove(&sender);
                }
            }
            if state.waiters.is_empty() {
                return;
            }
        }
        self.serve();
    }

    /// Gives room to those who wait. Grants are sent outside the lock: one whose receiver is gone
    /// comes back as a drop of the permit.
    fn serve(self: &Arc<Self>) {
        let mut grants = Vec::new();
        {
            let mut state = self.lock();
            let waiters = std::mem::take(&mut state.waiters);
            let mut is_full = false;
            let mut passed: Vec<Sender> = Vec::new();
            for waiter in waiters {
                if waiter.grant.is_closed() {
                    continue;
                }
                let fits = !is_full
                    && !passed.contains(&waiter.sender)
                    && state.fits(self.limit, waiter.sender, waiter.need, waiter.own);
                if fits {
                    let permit = state.charge(self, waiter.sender, waiter.need);
                    grants.push((waiter.grant, permit));
                    continue;
                }
                let others = state.held_by(waiter.sender).minus(waiter.own);
                is_full |= others == Amount::default();
                passed.push(waiter.sender);
                state.waiters.push_back(waiter);
            }
        }
        for (grant, permit) in grants {
            drop(grant.send(permit));
        }
    }
}

impl State {
    fn held_by(&self, sender: Sender) -> Amount {
        self.held.get(&sender).copied().unwrap_or_default()
    }

    fn fits(&self, limit: Amount, sender: Sender, need: Amount, own: Amount) -> bool {
        let free = self.free(limit);
        self.held_by(sender).minus(own).plus(need).is_within(free)
    }

    /// What nobody holds and may be taken.
    fn free(&self, limit: Amount) -> Amount {
        let bytes = limit.bytes.saturating_sub(self.reserved).saturating_sub(self.used.bytes);
        Amount { items: limit.items - self.used.items, bytes }
    }

    fn charge(&mut self, budget: &Arc<Budget>, sender: Sender, amount: Amount) -> Permit {
        self.used = self.used.plus(amount);
        let held = self.held.entry(sender).or_default();
        *held = held.plus(amount);
        Permit { budget: Arc::clone(budget), sender, amount }
    }
}

impl Permit {
    /// Who holds it.
    pub(super) fn sender(&self) -> Sender {
        self.sender
    }

    /// Bytes that are held.
    pub(super) fn bytes(&self) -> u64 {
        self.amount.bytes
    }

    /// Adds bytes, waiting for them until the deadline; `false` if there is no room by then.
    pub(super) async fn grow(&mut self, bytes: u64, deadline: Instant) -> bool {
        let need = Amount::bytes(bytes);
        let more = self.budget.acquire_more(self.sender, need, self.amount, deadline).await;
        let Some(mut more) = more else { return false };
        self.amount = self.amount.plus(std::mem::take(&mut more.amount));
        true
    }

    /// Gives back what is beyond so many bytes.
    pub(super) fn shrink_to(&mut self, bytes: u64) {
        let spare = Amount::bytes(self.amount.bytes.saturating_sub(bytes));
        self.amount = self.amount.minus(spare);
        self.budget.release(self.sender, spare);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.amount != Amount::default() {
            self.budget.release(self.sender, self.amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Sender = Sender::Connection(1);
    const B: Sender = Sender::Connection(2);

    fn soon() -> Instant {
        super::super::clock::monotonic() + std::time::Duration::from_millis(20)
    }

    #[tokio::test]
    async fn one_sender_takes_half_and_others_the_rest() {
        let budget = Budget::new(Amount { items: 100, bytes: 1 << 20 });
        let one = Amount { items: 1, bytes: 10 };
        let mut held: Vec<Permit> = std::iter::from_fn(|| budget.try_acquire(A, one)).collect();
        assert_eq!(held.len(), 50);
        held.extend(std::iter::from_fn(|| budget.try_acquire(B, one)));
        assert_eq!(held.len(), 75);
        drop(held);
        assert_eq!(budget.used(), Amount::default());
        assert!(budget.lock().held.is_empty());
    }

    #[tokio::test]
    async fn a_sender_at_its_share_lets_others_pass() {
        let budget = Budget::new(Amount { items: 10, bytes: 100 });
        let held = budget.try_acquire(A, Amount::bytes(50)).expect("half is free");
        let blocked = budget.acquire(A, Amount::bytes(20), soon());
        let passes = async {
            tokio::task::yield_now().await;
            budget.acquire(B, Amount::bytes(30), soon()).await.is_some()
        };
        let (blocked, passes) = tokio::join!(blocked, passes);
        assert!(blocked.is_none());
        assert!(passes);
        drop(held);
        assert_eq!(budget.used(), Amount::default());
    }

    #[tokio::test]
    async fn one_that_lacks_room_in_the_whole_is_next() {
        let budget = Budget::new(Amount { items: 10, bytes: 100 });
        let mut held = budget.try_acquire(A, Amount::bytes(50)).expect("half is free");
        let large = budget.acquire(B, Amount::bytes(80), soon());
        let small = async {
            tokio::task::yield_now().await;
            let third = Sender::Connection(3);
            assert!(budget.try_acquire(third, Amount::bytes(1)).is_none(), "it would pass");
            held.shrink_to(10);
            held
        };
        let (large, held) = tokio::join!(large, small);
        assert_eq!(large.expect("room was made").bytes(), 80);
        assert_eq!(held.bytes(), 10);
    }

    #[tokio::test]
    async fn who_stops_waiting_takes_nothing() {
        let budget = Budget::new(Amount { items: 10, bytes: 100 });
        let held = budget.try_acquire(A, Amount::bytes(100)).expect("all is free");
        {
            let waits = budget.acquire(B, Amount::bytes(10), soon());
            tokio::pin!(waits);
            tokio::select! {
                biased;
                _ = &mut waits => panic!("there is no room"),
                () = tokio::task::yield_now() => {}
            }
            drop(held); // grants; the grant is never looked at
        }
        assert_eq!(budget.used(), Amount::default());
        assert_eq!(budget.waiting(), 0);
    }

    #[tokio::test]
    async fn what_is_reserved_is_nobodys_until_it_is_free_again() {
        let budget = Budget::new(Amount { items: 10, bytes: 100 });
        let held = budget.try_acquire(A, Amount::bytes(40)).expect("all is free");
        budget.reserve(70);
        assert!(budget.try_acquire(B, Amount::bytes(1)).is_none(), "more is held than may be");
        assert_eq!(budget.free_for(B).bytes, 0);
        budget.reserve(50);
        assert!(budget.try_acquire(B, Amount::bytes(10)).is_some());
        let large = budget.acquire(B, Amount::bytes(1_000), soon());
        let freed = async {
            tokio::task::yield_now().await;
            drop(held);
            tokio::task::yield_now().await;
            budget.reserve(0);
        };
        let (large, ()) = tokio::join!(large, freed);
        assert_eq!(large.expect("what is larger than the limit counts as the limit").bytes(), 100);
    }

    #[tokio::test]
    async fn a_permit_alone_grows_past_its_share() {
        let budget = Budget::new(Amount { items: 10, bytes: 100 });
        let mut held = budget.try_acquire(A, Amount::bytes(50)).expect("half is free");
        assert!(held.grow(50, soon()).await);
        assert!(!held.grow(1, soon()).await);
        drop(held);
        assert_eq!(budget.used(), Amount::default());
    }
}
