//! Binding, accepting, bounds on connections, and an orderly end.
//!
//! Invariant: an error of one connection never ends the accepting; a full listener closes the
//! connection that has been idle for longest before it turns a new one away.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use crate::error::{Error, ErrorKind};
use crate::limits::CONNECTION_BUFFER_BYTES;
use crate::self_metrics::{Lately, Recent};

use super::budget::Sender;
use super::connection::{Activity, Connection, ConnectionPace, Stream};
use super::line_frames::LineFrames;
use super::security::Handshake;
use super::tls::{Tls, TlsNow};

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A TCP address; port 0 is any free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// How many connections a listener has, and how long they may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at once.
    pub connections: usize,
    /// Connections of one peer address at once.
    pub per_peer: usize,
    /// Their timers.
    pub pace: ConnectionPace,
}

/// What became of a listener's connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Open now.
    pub open: u64,
    /// Accepted since the start.
    pub accepted: u64,
    /// Idle ones that were closed to make room for newer ones.
    pub made_room: u64,
    /// Turned away because no other was idle.
    pub turned_away: u64,
    /// Failed attempts to accept one (no file descriptors, reset before it was accepted).
    pub failed: u64,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: u64,
    /// Looks at changed files of TLS that could not be taken.
    pub reloads_failed: u64,
    /// Bytes that connections may hold to receive in: of the line protocol those that are held.
    pub buffer_bytes: u64,
}

#[derive(Default)]
struct Counters {
    accepted: AtomicU64,
    made_room: AtomicU64,
    turned_away: AtomicU64,
    failed: AtomicU64,
    handshakes_failed: AtomicU64,
}

/// A running listener. Dropping it stops it at once.
pub struct Listener {
    address: Address,
    stop: watch::Sender<bool>,
    accepting: Option<JoinHandle<JoinSet<()>>>,
    shared: Arc<Shared>,
    tls: Option<Arc<Tls>>,
    following: Option<AbortHandle>,
}

struct Shared {
    limits: ConnectionLimits,
    /// What lines are gathered in; none where requests have room of their own.
    frames: Option<LineFrames>,
    counters: Counters,
    /// How long requests took of late, of lines their frames.
    took: Arc<Recent>,
    open: Mutex<BTreeMap<u64, Open>>,
}

struct Open {
    peer: Option<IpAddr>,
    activity: Arc<Activity>,
    is_ending: bool,
}

pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Socket {
    /// Binds a TCP address.
    pub(super) async fn tcp(address: SocketAddr) -> Result<(Self, Address), Error> {
        let cannot = |error: io::Error| {
            let text = format!("cannot listen on `{address}`: choose another address or port");
            Error::new(ErrorKind::Listen, text).caused_by(error)
        };
        let socket = TcpListener::bind(address).await.map_err(cannot)?;
        let bound = socket.local_addr().map_err(cannot)?;
        Ok((Self::Tcp(socket), Address::Tcp(bound)))
    }

    /// Binds a Unix socket, in place of a file that nobody listens on.
    pub(super) async fn unix(path: &Path) -> Result<(Self, Address), Error> {
        let cannot = |error: io::Error| {
            let text = format!("cannot listen on `{}`: choose another path", path.display());
            Error::new(ErrorKind::Listen, text).caused_by(error)
        };
        let is_socket =
            std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
        if is_socket && UnixStream::connect(path).await.is_err() {
            std::fs::remove_file(path).map_err(cannot)?;
        }
        let socket = UnixListener::bind(path).map_err(cannot)?;
        let mode = std::fs::Permissions::from_mode(0o660);
        std::fs::set_permissions(path, mode).map_err(cannot)?;
        Ok((Self::Unix(socket), Address::Unix(path.to_owned())))
    }

    async fn accept(&self) -> io::Result<(Box<dyn Stream>, Option<IpAddr>)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                drop(stream.set_nodelay(true)); // a peer that has gone shows at the first read
                Ok((Box::new(stream), Some(peer_of(peer.ip()))))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok((Box::new(stream), None))
            }
        }
    }
}

/// A view of the connections of a listener.
#[derive(Clone)]
pub struct ConnectionWatch {
    shared: Arc<Shared>,
    tls: Option<Arc<Tls>>,
}

impl ConnectionWatch {
    /// What handshakes use now, where there is TLS.
    pub fn tls(&self) -> Option<TlsNow> {
        self.tls.as_ref().map(|tls| tls.now())
    }

    /// How long requests took of late, from their head on until their answer was written; of lines,
    /// their frames. None if there were none.
    pub fn lately(&self) -> Option<Lately> {
        self.shared.took.lately()
    }

    /// What became of the connections.
    pub fn counts(&self) -> ConnectionCounts {
        let counters = &self.shared.counters;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let open = self.shared.lock().len() as u64;
        let of_heads = || open * CONNECTION_BUFFER_BYTES as u64;
        ConnectionCounts {
            open,
            buffer_bytes: self.shared.frames.as_ref().map_or_else(of_heads, LineFrames::held_bytes),
            accepted: load(&counters.accepted),
            made_room: load(&counters.made_room),
            turned_away: load(&counters.turned_away),
            failed: load(&counters.failed),
            handshakes_failed: load(&counters.handshakes_failed),
            reloads_failed: self.tls.as_ref().map_or(0, |tls| tls.reloads_failed()),
        }
    }
}

/// How long accepting waits after it failed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

impl Listener {
    /// Accepts connections until it is stopped, and serves each.
    pub(super) fn start<F>(
        (socket, address): (Socket, Address),
        limits: ConnectionLimits,
        (handshake, frames): (Handshake, Option<LineFrames>),
        serve: impl Fn(Connection) -> F + Clone + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let (counters, took, open) = (Counters::default(), Arc::default(), Mutex::default());
        let shared = Arc::new(Shared { limits, frames, counters, took, open });
        let tls = handshake.tls.clone();
        let follow = |tls: &Arc<Tls>| tokio::spawn(Arc::clone(tls).follow()).abort_handle();
        let following = tls.as_ref().map(follow);
        let accepting = accept(socket, Arc::clone(&shared), stopped, handshake, serve);
        Self { address, stop, accepting: Some(tokio::spawn(accepting)), shared, tls, following }
    }

    /// Where it listens: with the port that was chosen.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What became of its connections.
    pub fn connections(&self) -> ConnectionCounts {
        self.watch().counts()
    }

    /// A view of its connections that outlives it.
    pub fn watch(&self) -> ConnectionWatch {
        ConnectionWatch { shared: Arc::clone(&self.shared), tls: self.tls.clone() }
    }

    /// Stops: no further connections, requests under way are finished within the time given.
    /// Returns how many connections were cut off then.
    pub async fn stop(mut self, within: Duration) -> usize {
        self.stop.send_replace(true);
        let Some(accepting) = self.accepting.take() else { return 0 };
        let Ok(mut connections) = accepting.await else { return 0 };
        let all = async { while connections.join_next().await.is_some() {} };
        let is_done = tokio::time::timeout(within, all).await.is_ok();
        let cut_off = if is_done { 0 } else { connections.len() };
        connections.shutdown().await;
        if let Address::Unix(path) = &self.address {
            drop(std::fs::remove_file(path));
        }
        cut_off
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        if let Some(following) = self.following.take() {
            following.abort();
        }
    }
}

async fn accept<F>(
    socket: Socket,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
    handshake: Handshake,
    serve: impl Fn(Connection) -> F + Clone + Send + 'static,
) -> JoinSet<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut id = 0_u64;
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stopped.wait_for(|stop| *stop) => return connections,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                shared.counters.failed.fetch_add(1, Ordering::Relaxed);
                if is_out_of_files(&error) {
                    shared.make_room(&mut shared.lock(), |open| !open.is_ending);
                }
                if error.kind() != io::ErrorKind::ConnectionAborted {
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
                continue;
            }
        };
        id += 1;
        let Some(place) = Shared::enter(&shared, id, peer) else { continue };
        let (handshake, serve) = (handshake.clone(), serve.clone());
        let stop = stopped.clone();
        connections.spawn(async move {
            let pace = place.shared.limits.pace;
            let activity = Arc::clone(&place.activity);
            match handshake.accept(stream, pace.header).await {
                Ok(stream) => {
                    let sender = sender(peer, place.id);
                    serve(Connection::new(stream, activity, sender, pace, stop)).await;
                }
                Err(_) => {
                    place.shared.counters.handshakes_failed.fetch_add(1, Ordering::Relaxed);
                }
            }
            drop(place);
        });
    }
}

/// The address that bounds and shares go by. One IPv6 peer has a whole /64 to choose from.
fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(network.into())
        }
        address => address,
    }
}

/// Whether an error says that there are no file descriptors left: `ENFILE`, `EMFILE`.
fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

/// Peers on this machine share its address: each connection is a sender of its own.
fn sender(peer: Option<IpAddr>, connection: u64) -> Sender {
    match peer {
        Some(peer) if !peer.is_loopback() => Sender::Peer(peer),
        _ => Sender::Connection(connection),
    }
}

/// A connection's place in its listener, until it is dropped.
struct Place {
    shared: Arc<Shared>,
    id: u64,
    activity: Arc<Activity>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.lock().remove(&self.id);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection; none if there is no room and no other is idle.
    fn enter(shared: &Arc<Self>, id: u64, peer: Option<IpAddr>) -> Option<Place> {
        let mut open = shared.lock();
        let staying = |open: &Open| !open.is_ending;
        let of_peer = |open: &Open| staying(open) && peer.is_some() && open.peer == peer;
        let has_room = if open.values().filter(|open| of_peer(open)).count()
            >= shared.limits.per_peer
        {
            shared.make_room(&mut open, of_peer)
        } else if open.values().filter(|open| staying(open)).count() >= shared.limits.connections {
            shared.make_room(&mut open, staying)
        } else {
            true
        };
        // Those that are ending still hold a file descriptor: they are bounded, too.
        if !has_room || open.len() >= 2 * shared.limits.connections {
            shared.counters.turned_away.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        shared.counters.accepted.fetch_add(1, Ordering::Relaxed);
        let activity = Activity::new(Arc::clone(&shared.took));
        open.insert(id, Open { peer, activity: Arc::clone(&activity), is_ending: false });
        Some(Place { shared: Arc::clone(shared), id, activity })
    }

    /// Ends the connection that has been idle for longest.
    fn make_room(&self, open: &mut BTreeMap<u64, Open>, counts: impl Fn(&Open) -> bool) -> bool {
        let idle = open.values_mut().filter(|open| counts(open));
        let idle = idle.filter_map(|open| open.activity.idle_since().map(|since| (since, open)));
        let Some((_, longest)) = idle.min_by_key(|(since, _)| *since) else { return false };
        longest.is_ending = true;
        longest.activity.end();
        self.counters.made_room.fetch_add(1, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_told_apart_by_network() {
        let of = |text: &str| peer_of(text.parse().expect("an address")).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::1"), "::1");
        let sender_of = |text: &str| sender(Some(peer_of(text.parse().expect("an address"))), 9);
        assert_eq!(sender_of("::ffff:127.0.0.1"), Sender::Connection(9));
        assert_eq!(sender_of("2001:db8::1"), sender_of("2001:db8::2"));
    }

    /// Accepting goes on after it failed for want of files; the idle make room.
    #[test]
    fn out_of_files_is_recognised() {
        assert!(is_out_of_files(&io::Error::from_raw_os_error(24)));
        assert!(!is_out_of_files(&io::ErrorKind::ConnectionAborted.into()));
    }
}
