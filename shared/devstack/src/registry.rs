//! The embedded registry: the part of Confluent's schema registry API that Avro clients use, in memory, under FULL_TRANSITIVE.
//!
//! It deliberately knows no other schema type, no references, no deletion and no authentication, and forgets everything at its end.
//! `store.rs` is what it knows, `http.rs` how it says it.

mod http;
mod store;

use std::net::SocketAddr;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A registry that lives in this process, on a thread and runtime of its own.
pub struct EmbeddedRegistry {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The embedded registry can't be had.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The address is taken, or not ours.
    #[error("the embedded registry can't listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        cause: std::io::Error,
    },
    /// No thread or runtime.
    #[error("the embedded registry has no thread to run on: {0}")]
    Thread(std::io::Error),
}

impl EmbeddedRegistry {
    /// A registry that listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is taken, or the machine is out of threads.
    pub async fn start(address: SocketAddr) -> Result<Self, RegistryError> {
        let listen = |cause| RegistryError::Listen { address, cause };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        // To its own runtime it moves as a plain socket.
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

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address for clients.
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
            tracing::error!(address = %self.address, "the embedded registry ended by a panic");
        }
    }
}

/// Serves until `ended` is dropped. Connections that are open then are cut: nothing in them is worth waiting for.
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
        tracing::error!(%error, "the embedded registry has stopped serving");
    }
}
