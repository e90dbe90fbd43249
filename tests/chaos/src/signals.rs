//! Signal handling: SIGINT and SIGTERM stop all child processes.

use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// The conventional exit code of a program that a signal ended.
const INTERRUPTED: i32 = 130;
/// Rounds of searching for children: one may just be starting.
const ROUNDS: usize = 10;

static IS_INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Returns an error after a signal; called before each start of a child.
///
/// # Errors
/// A signal was received.
pub fn check_not_interrupted() -> io::Result<()> {
    if IS_INTERRUPTED.load(Ordering::SeqCst) {
        Err(io::Error::other("interrupted by a signal"))
    } else {
        Ok(())
    }
}

/// Installs the handler: SIGINT or SIGTERM kills all children of this process, removes its folder and exits.
///
/// # Errors
/// The handler cannot be installed.
pub fn install(folder: &Path) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = folder.to_owned();
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        IS_INTERRUPTED.store(true, Ordering::SeqCst);
        for _ in 0..ROUNDS {
            // An error cannot be reported any more.
            end_children().ok();
            std::thread::park_timeout(Duration::from_millis(100));
        }
        std::fs::remove_dir_all(&folder).ok();
        std::process::exit(INTERRUPTED);
    })?;
    Ok(())
}

/// Kills every child of this process by its id.
fn end_children() -> io::Result<()> {
    for thread in std::fs::read_dir("/proc/self/task")? {
        let children = std::fs::read_to_string(thread?.path().join("children"))?;
        for child in children.split_whitespace() {
            Command::new("kill").args(["-KILL", child]).status()?;
        }
    }
    Ok(())
}
