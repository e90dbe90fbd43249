//! Embedded schema registry: the part of Confluent's API that Avro clients use, in memory, with compatibility FULL_TRANSITIVE.
//!
//! It supports no other schema types, no references, no deletion and no authentication. `store.rs` contains the schemas, `http.rs` the
//! API.

mod http;
mod store;

use std::net::SocketAddr;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A registry in this process, with its own thread and runtime.
pub struct EmbeddedRegistry {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("failed to start the embedded registry: address {address} unavailable")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("failed to start the embedded registry: no thread available")]
    Thread(#[source] std::io::Error),
}

impl EmbeddedRegistry {
    /// Starts a registry on `address`. Port 0 selects a free port.
    ///
    /// # Errors
    /// The address is unavailable, or the operating system can't start a thread.
    pub async fn start(address: SocketAddr) -> Result<Self, RegistryError> {
        let listen = |source| RegistryError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        // The socket is registered again with the runtime of the thread.
        let listener = listener.into_std().map_err(listen)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(RegistryError::Thread)?;
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("embedded-registry".to_owned())
            .spawn(move || runtime.block_on(serve(listener, ended)))
            .map_err(RegistryError::Thread)?;
        Ok(Self { address, end: Some(end), thread: Some(thread) })
    }

    /// Returns the address on which the registry listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for EmbeddedRegistry {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(address = %self.address, "embedded registry panicked");
        }
    }
}

/// Serves until `ended` is dropped. Open connections are closed then, without waiting for responses.
async fn serve(listener: std::net::TcpListener, ended: oneshot::Receiver<()>) {
    let served = match TcpListener::from_std(listener) {
        Ok(listener) => {
            let serving = axum::serve(listener, http::router());
            tokio::select! {
                served = std::future::IntoFuture::into_future(serving) => served,
                _ = ended => Ok(()),
            }
        }
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        tracing::error!(%error, "embedded registry failed");
    }
}
