//! The thread of a watch: it looks again and again, as long as anybody has what is watched.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// Looks at `watched` every `period` on a thread of its own, which ends soon after the last reference to it.
///
/// # Errors
/// Where the thread cannot be made.
pub(crate) fn watch<T: Send + Sync + 'static>(
    name: &str,
    period: Duration,
    watched: &Arc<T>,
    mut look: impl FnMut(&T) + Send + 'static,
) -> std::io::Result<()> {
    let watched: Weak<T> = Arc::downgrade(watched);
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        while let Some(watched) = watched.upgrade() {
            look(&watched);
            drop(watched);
            thread::sleep(period);
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_watch_looks_until_the_last_reference_has_gone() {
        let watched = Arc::new(());
        // Moved into the thread: the channel is closed when that ends.
        let (looks, looked) = mpsc::channel();
        watch("watch-test", Duration::from_millis(1), &watched, move |()| {
            // The test may have gone.
            looks.send(()).ok();
        })
        .unwrap();
        for _ in 0..3 {
            looked.recv_timeout(Duration::from_secs(10)).unwrap();
        }
        drop(watched);
        while looked.recv_timeout(Duration::from_secs(10)).is_ok() {}
        assert_eq!(looked.recv_timeout(Duration::ZERO), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
