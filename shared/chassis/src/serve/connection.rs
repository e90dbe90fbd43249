//! One connection, from its acceptance to its end.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::activity::{Activity, Phase};
use super::error_page::closing_bytes;
use super::limits::{BUFFER_BYTES_MAX, ConnectionLimits};
use super::metrics::ServerMetrics;
use super::request::{Peer, Responder};
use super::socket::Socket;
use crate::shutdown::Shutdown;

/// The time in which the rest of a request is read and discarded after the last response. A socket that is closed with unread bytes
/// resets the connection, and the caller may lose the response.
const LINGER: Duration = Duration::from_secs(2);

/// Parts that all connections of a server share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) app: TowerToHyperService<Router>,
    pub(super) limits: ConnectionLimits,
    pub(super) metrics: ServerMetrics,
    pub(super) shutdown: Shutdown,
}

/// The cause of a connection's end.
enum End {
    /// The HTTP library ended it.
    Library(hyper::Result<()>),
    TimedOut,
    /// Another connection needs its place.
    Displaced,
    Shutdown,
}

/// Serves a connection until its end.
pub(super) async fn run(shared: Shared, stream: TcpStream, peer: Peer, activity: Arc<Activity>) {
    let _open = shared.metrics.open();
    // An error means that the peer disconnected: the first read reports it too.
    drop(stream.set_nodelay(true));
    let responder = Responder {
        app: shared.app.clone(),
        peer,
        activity: Arc::clone(&activity),
        metrics: shared.metrics.clone(),
    };
    let socket = TokioIo::new(Socket::new(stream, Arc::clone(&activity)));
    // The timeouts of this module replace the one of the library.
    let mut http = http1::Builder::new();
    http.header_read_timeout(None).max_buf_size(BUFFER_BYTES_MAX);
    let mut connection = http.serve_connection(socket, responder);
    let end = drive(&mut connection, &shared, &activity).await;
    let mut socket = connection.into_parts().io.into_inner();
    match end {
        End::Library(result) => {
            if let Some(status) = socket.automatic {
                shared.metrics.count_unhandled(status.as_u16());
            } else if result.is_err_and(|error| error.is_parse()) {
                // Such as HTTP/2, to which the library does not respond.
                respond(&mut socket, StatusCode::BAD_REQUEST, &shared);
            }
            linger(&mut socket, &shared, &activity).await;
        }
        End::TimedOut if activity.phase() == (Phase::Head { has_bytes: true }) => {
            respond(&mut socket, StatusCode::REQUEST_TIMEOUT, &shared);
            linger(&mut socket, &shared, &activity).await;
        }
        End::TimedOut | End::Displaced | End::Shutdown => {}
    }
}

/// Sends an error to a request that no handler received. The buffer of the socket is empty, because all responses are written: never a
/// partial write.
fn respond(socket: &mut Socket, status: StatusCode, shared: &Shared) {
    shared.metrics.count_unhandled(status.as_u16());
    drop(socket.stream.try_write(&closing_bytes(status)));
}

/// Polls the connection until it ends, is displaced, or its deadline passes.
async fn drive(
    connection: &mut http1::Connection<TokioIo<Socket>, Responder>,
    shared: &Shared,
    activity: &Activity,
) -> End {
    let mut begun = pin!(shared.shutdown.begun());
    let mut displaced = pin!(activity.close.notified());
    let (mut drain, mut is_displaced) = (None, false);
    let mut alarm = pin!(sleep_until(Instant::now() + shared.limits.head_timeout));
    poll_fn(|context| {
        if drain.is_none() && begun.as_mut().poll(context).is_ready() {
            drain = Some(Instant::now());
            Pin::new(&mut *connection).graceful_shutdown();
        }
        if let Poll::Ready(result) = connection.poll_without_shutdown(context) {
            return Poll::Ready(End::Library(result));
        }
        if !is_displaced && displaced.as_mut().poll(context).is_ready() {
            if activity.waiting_since().is_some() {
                return Poll::Ready(End::Displaced);
            }
            // Its request arrived in the meantime: it is the last one.
            is_displaced = true;
            activity.serves_last();
            Pin::new(&mut *connection).graceful_shutdown();
            context.waker().wake_by_ref();
        }
        let expired = expired(alarm.as_mut(), || activity.deadline(&shared.limits, drain), context);
        expired.map(|()| if drain.is_some() { End::Shutdown } else { End::TimedOut })
    })
    .await
}

/// Returns when the deadline has passed. The deadline may change between two calls: an alarm that is too early is set again when it fires.
fn expired(
    mut alarm: Pin<&mut tokio::time::Sleep>,
    deadline: impl Fn() -> Option<Instant>,
    context: &mut Context<'_>,
) -> Poll<()> {
    loop {
        let Some(deadline) = deadline() else { return Poll::Pending };
        if deadline <= Instant::now() {
            return Poll::Ready(());
        }
        if deadline < alarm.deadline() || alarm.is_elapsed() {
            alarm.as_mut().reset(deadline);
        }
        if alarm.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
    }
}

/// Closes the sending half, then reads and discards until the peer closes its half.
async fn linger(socket: &mut Socket, shared: &Shared, activity: &Activity) {
    activity.lingers();
    if socket.shutdown().await.is_err() {
        return;
    }
    let discard = async {
        let mut scratch = [0; 4_096];
        while matches!(socket.stream.read(&mut scratch).await, Ok(count) if count > 0) {}
    };
    tokio::select! {
        _ = timeout(LINGER, discard) => {}
        () = activity.close.notified() => {}
        () = shared.shutdown.begun() => {}
    }
}

/// Sends an error to a connection that is not served, and closes it.
pub(super) async fn reject(shared: Shared, stream: TcpStream) {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    shared.metrics.count_unhandled(status.as_u16());
    let activity = Arc::new(Activity::new());
    let mut socket = Socket::new(stream, Arc::clone(&activity));
    drop(timeout(LINGER, socket.stream.write_all(&closing_bytes(status))).await);
    linger(&mut socket, &shared, &activity).await;
}
