//! The end of a storm before its time: a signal ends everything that it started.

use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// The exit code of a program that a signal ended, for whoever asks.
const INTERRUPTED: i32 = 130;
/// Rounds of looking for children: one may just be starting.
const ROUNDS: usize = 10;

static HAS_BEGUN: AtomicBool = AtomicBool::new(false);

/// To be asked before a child is started: after a signal none is.
///
/// # Errors
/// When the end has begun.
pub fn refuse_after_signal() -> io::Result<()> {
    if HAS_BEGUN.load(Ordering::SeqCst) { Err(io::Error::other("a signal ends the storm")) } else { Ok(()) }
}

/// From now on SIGINT or SIGTERM kill all children of this process, remove its folder, and end it.
///
/// # Errors
/// When signals can't be waited for.
pub fn guarded(folder: &Path) -> io::Result<()> {
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
        HAS_BEGUN.store(true, Ordering::SeqCst);
        for _ in 0..ROUNDS {
            // Nobody is left to be told of a failure.
            end_children().ok();
            std::thread::park_timeout(Duration::from_millis(100));
        }
        std::fs::remove_dir_all(&folder).ok();
        std::process::exit(INTERRUPTED);
    })?;
    Ok(())
}

/// Kills every child of this process, by its id.
fn end_children() -> io::Result<()> {
    for thread in std::fs::read_dir("/proc/self/task")? {
        let children = std::fs::read_to_string(thread?.path().join("children"))?;
        for child in children.split_whitespace() {
            Command::new("kill").args(["-KILL", child]).status()?;
        }
    }
    Ok(())
}
