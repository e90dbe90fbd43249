//! Accept loop of a server.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::service::TowerToHyperService;
use kit::{Hysteresis, Marks};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::activity::{Activity, Connections};
use super::connection::{self, Shared};
use super::limits::{ConnectionLimits, DISPLACED_MAX, REJECTING_MAX};
use super::metrics::ServerMetrics;
use super::request::Peer;
use crate::shutdown::Shutdown;

/// The wait after a failure of the operating system to accept a connection, such as for lack of a descriptor.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The interval at which connections that are being closed are checked, if none has ended before.
const CLOSING_AGAIN: Duration = Duration::from_millis(1);

/// Serves the connections of a listener until `shutdown`, then completes the requests in progress and returns. `name` is that of the
/// server in the log.
pub async fn serve(
    name: &'static str,
    listener: TcpListener,
    app: Router,
    limits: ConnectionLimits,
    metrics: ServerMetrics,
    shutdown: Shutdown,
) {
    let mut server = Server::new(name, app, limits, metrics, shutdown.clone());
    loop {
        tokio::select! {
            biased;
            () = shutdown.begun() => break,
            Some(ended) = server.tasks.join_next(), if !server.tasks.is_empty() => server.ended(ended),
            Some(ended) = server.rejecting.join_next(), if !server.rejecting.is_empty() => server.ended(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => server.accepted(stream, Peer::from(address.ip())).await,
                Err(error) => server.failed(&error).await,
            }
        }
    }
    drop(listener);
    server.rejecting.abort_all();
    while let Some(ended) = server.tasks.join_next().await {
        server.ended(ended);
    }
}

struct Server {
    name: &'static str,
    shared: Shared,
    connections: Arc<Connections>,
    tasks: JoinSet<()>,
    rejecting: JoinSet<()>,
    next_id: u64,
    /// Consecutive failures, without those of peers.
    accept_errors: u64,
    full: Hysteresis,
}

impl Server {
    fn new(
        name: &'static str,
        app: Router,
        limits: ConnectionLimits,
        metrics: ServerMetrics,
        shutdown: Shutdown,
    ) -> Self {
        metrics.set_capacity(&limits);
        Self {
            name,
            shared: Shared { app: TowerToHyperService::new(app), limits, metrics, shutdown },
            connections: Arc::default(),
            tasks: JoinSet::new(),
            rejecting: JoinSet::new(),
            next_id: 0,
            accept_errors: 0,
            full: Hysteresis::new(),
        }
    }

    async fn accepted(&mut self, stream: TcpStream, peer: Peer) {
        if self.accept_errors > 0 {
            tracing::info!(server = self.name, failed = self.accept_errors, "connections are accepted again");
            self.accept_errors = 0;
        }
        let max = self.shared.limits.connections_max;
        let is_full = self.connections.count() >= max;
        self.log_full(is_full);
        if is_full && !self.displace().await {
            self.reject(stream);
            return;
        }
        let (id, activity) = (self.next_id, Arc::new(Activity::new()));
        self.next_id += 1;
        self.connections.add(id, Arc::clone(&activity));
        let (shared, connections) = (self.shared.clone(), Arc::clone(&self.connections));
        self.tasks.spawn(async move {
            let _registered = Registered { id, connections };
            connection::run(shared, stream, peer, activity).await;
        });
    }

    /// Makes room for a connection: closes the one that has waited longest for a complete request, unless one has ended meanwhile. Returns
    /// `false` if none waits, or if too many are being closed already: one whose request has arrived in the meantime is still served.
    /// Those without a request end at once, and are waited for, so that a burst of them does not cause a rejection.
    async fn displace(&mut self) -> bool {
        let max = self.shared.limits.connections_max.saturating_add(DISPLACED_MAX);
        while self.tasks.len() >= max && self.connections.any_ends_soon() {
            tokio::select! {
                Some(ended) = self.tasks.join_next() => self.ended(ended),
                () = sleep(CLOSING_AGAIN) => {}
            }
        }
        // Tasks that have ended count until they are joined.
        while let Some(ended) = self.tasks.try_join_next() {
            self.ended(ended);
        }
        let has_room = self.connections.count() < self.shared.limits.connections_max;
        self.tasks.len() < max && (has_room || self.connections.close_oldest_waiting())
    }

    fn reject(&mut self, stream: TcpStream) {
        if self.rejecting.len() < REJECTING_MAX {
            self.rejecting.spawn(connection::reject(self.shared.clone(), stream));
        } else {
            self.shared.metrics.count_unhandled(503);
        }
    }

    /// Logs the change to full, and the change back below 90 %.
    fn log_full(&mut self, is_full: bool) {
        let max = self.shared.limits.connections_max;
        let open = if is_full { max } else { self.connections.count() };
        let was_full = self.full.is_set();
        match (was_full, self.full.update(open, Marks::at(max).low(max - max / 10))) {
            (false, true) => tracing::warn!(
                server = self.name,
                connections_max = max,
                "connection limit reached: connections that wait for a request are closed, others rejected"
            ),
            (true, false) => {
                tracing::info!(server = self.name, open, "open connections are below the limit again")
            }
            (true, true) | (false, false) => {}
        }
    }

    /// Logs the first of consecutive failures, and waits: each would otherwise be repeated at once. If the operating system lacks a
    /// resource, a connection without a request is closed to free it.
    async fn failed(&mut self, error: &io::Error) {
        if is_of_peer(error) {
            tracing::debug!(server = self.name, %error, "failed to accept a connection");
            return;
        }
        self.shared.metrics.count_accept_error();
        if self.accept_errors == 0 {
            let open = self.connections.count();
            tracing::error!(server = self.name, %error, open, "failed to accept connections");
        }
        self.accept_errors += 1;
        if lacks_resource(error) {
            self.connections.close_oldest_waiting();
        }
        tokio::select! {
            () = sleep(ACCEPT_AGAIN) => {}
            () = self.shared.shutdown.begun() => {}
        }
    }

    fn ended(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!(server = self.name, %error, "connection failed");
        }
    }
}

/// Returns `true` if the connection failed before it was accepted, or a signal interrupted the call. Linux reports a pending error of the
/// network to the new connection as an error of accept(2).
fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        NetworkUnreachable, NotConnected, TimedOut,
    };
    let is_of_network = matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | BrokenPipe | NotConnected | TimedOut
    );
    let is_unreachable = matches!(error.kind(), HostUnreachable | NetworkUnreachable);
    // These have no kind.
    let has_code = [libc::EPROTO, libc::EHOSTDOWN].map(Some).contains(&error.raw_os_error());
    is_of_network || is_unreachable || has_code || error.kind() == Interrupted
}

/// Returns `true` if the process or the system has no descriptor or no memory for a socket.
fn lacks_resource(error: &io::Error) -> bool {
    let codes = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

/// The entry of a connection, removed also if its task panics.
struct Registered {
    id: u64,
    connections: Arc<Connections>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.connections.remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin;
    use crate::telemetry::{Catalogue, Metrics};

    fn server(connections_max: usize) -> (Server, Metrics) {
        let metrics = Metrics::new(&Catalogue::new().with(crate::run::METRICS)).unwrap();
        let limits = ConnectionLimits {
            connections_max,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
        };
        let server_metrics = ServerMetrics::new(&metrics.process_scope(), &admin::METRICS);
        (Server::new("test", Router::new(), limits, server_metrics, Shutdown::new()), metrics)
    }

    fn counts(metrics: &Metrics, errors: usize) -> bool {
        metrics.render().contains(&format!("chassis_admin_accept_errors_total {errors}\n"))
    }

    #[tokio::test]
    async fn full_state_clears_below_90_percent() {
        for (max, clears_at) in [(1, 0), (9, 8), (10, 8), (100, 89)] {
            let (mut server, _) = server(max);
            server.log_full(true);
            for id in 0..clears_at + 1 {
                server.connections.add(id, Arc::new(Activity::new()));
            }
            server.log_full(false);
            assert!(server.full.is_set(), "{max}");
            server.connections.remove(0);
            server.log_full(false);
            assert!(!server.full.is_set(), "{max}");
        }
    }

    #[tokio::test]
    async fn ended_task_is_not_counted_as_a_connection() {
        let (mut server, _) = server(1);
        for _ in 0..=DISPLACED_MAX {
            server.tasks.spawn(std::future::ready(()));
        }
        tokio::task::yield_now().await;
        let waiting = Arc::new(Activity::new());
        server.connections.add(0, Arc::clone(&waiting));
        assert!(server.displace().await);
        waiting.close.notified().await;
        assert_eq!((server.tasks.len(), server.connections.count()), (0, 0));
    }

    #[tokio::test]
    async fn connection_that_ended_meanwhile_makes_room_for_another() {
        let (mut server, _) = server(2);
        server.connections.add(0, Arc::new(Activity::new()));
        assert!(server.connections.close_oldest_waiting());
        for id in [1, 2] {
            server.connections.add(id, Arc::new(Activity::new()));
        }
        let connections = Arc::clone(&server.connections);
        server.tasks.spawn(async move {
            connections.remove(0);
            connections.remove(1);
        });
        for _ in 0..=DISPLACED_MAX {
            server.tasks.spawn(std::future::pending());
        }
        assert!(server.displace().await);
        assert_eq!(server.connections.count(), 1, "the third connection remains");
    }

    #[tokio::test(start_paused = true)]
    async fn lack_of_descriptors_closes_a_waiting_connection() {
        let (mut server, metrics) = server(10);
        let waiting = Arc::new(Activity::new());
        server.connections.add(0, Arc::clone(&waiting));
        server.failed(&io::Error::from_raw_os_error(libc::EMFILE)).await;
        server.failed(&io::Error::from_raw_os_error(libc::ENFILE)).await;
        waiting.close.notified().await;
        assert_eq!((server.connections.count(), server.accept_errors), (0, 2));
        assert!(counts(&metrics, 2), "{}", metrics.render());
    }

    #[tokio::test(start_paused = true)]
    async fn accept_error_of_a_peer_is_neither_counted_nor_waited_for() {
        let (mut server, metrics) = server(10);
        let start = tokio::time::Instant::now();
        for code in [
            libc::ECONNABORTED,
            libc::ECONNRESET,
            libc::ECONNREFUSED,
            libc::EINTR,
            libc::EPIPE,
            libc::ENOTCONN,
            libc::ETIMEDOUT,
            libc::EHOSTUNREACH,
            libc::ENETUNREACH,
            libc::EPROTO,
            libc::EHOSTDOWN,
        ] {
            server.failed(&io::Error::from_raw_os_error(code)).await;
        }
        assert_eq!((server.accept_errors, start.elapsed()), (0, Duration::ZERO));
        assert!(counts(&metrics, 0), "{}", metrics.render());
    }

    #[tokio::test(start_paused = true)]
    async fn other_accept_error_is_counted_and_waited_for() {
        let (mut server, metrics) = server(10);
        server.connections.add(0, Arc::new(Activity::new()));
        let start = tokio::time::Instant::now();
        for code in [libc::EPERM, libc::EINVAL, libc::ENETDOWN] {
            server.failed(&io::Error::from_raw_os_error(code)).await;
        }
        assert_eq!((server.accept_errors, start.elapsed()), (3, 3 * ACCEPT_AGAIN));
        assert!(counts(&metrics, 3), "{}", metrics.render());
        assert_eq!(server.connections.count(), 1, "a closed connection would not help");
    }
}
