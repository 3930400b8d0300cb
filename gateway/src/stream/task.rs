//! The task of a stream: it opens links, writes batches and reads acknowledgements until the end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use zonelake_schemas::Lane;

use super::options::LinkEvent;
use super::state::StreamState;
use crate::backoff::Backoff;
use crate::connection::Hunger;
use crate::error::StreamError;
use crate::link::{self, Down, Response, Up};

/// The stream's task: one link after another until the end.
pub(super) async fn run_stream(shared: Arc<StreamState>) {
    // Without randomness from the system the pauses are still right; only the jitter is that of every other stream.
    let seed = getrandom::u64().unwrap_or(1);
    let mut backoff = Backoff::new(shared.options.backoff, seed);
    let ended = loop {
        let Err(error) = one_link(&shared, &mut backoff).await else { break Ok(()) };
        {
            let mut state = shared.lock();
            state.outbox.handle_disconnected();
            if state.finishing && state.serving.is_some() && state.outbox.is_drained() {
                break Ok(());
            }
        }
        if !error.is_retryable() {
            break Err(error);
        }
        let Some(retry_after) = backoff.handle_failure(shared.now(), error.pause()) else {
            break Err(StreamError::GaveUp { after: backoff.closed_for(shared.now()), last: error.to_string() });
        };
        tracing::debug!(producer = %shared.options.producer, table = %shared.options.table, %error, "the link broke");
        shared.notify_link(&LinkEvent::Broken { error, retry_after });
        tokio::time::sleep(retry_after).await;
    };
    shared.lock().ended = Some(ended);
    shared.changed.notify_waiters();
}

/// Opens the stream once and runs it until all is done or something breaks. Only a link that was of use counts as an
/// open one: a server that opens and then refuses is not asked again without a pause.
async fn one_link(shared: &StreamState, backoff: &mut Backoff) -> Result<(), StreamError> {
    let (mut up, mut down, opened) = link::open(&shared.connection, &shared.open_message()).await?;
    shared.handle_opened(opened)?;
    let (opened_at, durable) = (shared.now(), shared.lock().outbox.durable());
    let result = tokio::select! {
        error = write_batches(shared, &mut up) => Err(error),
        result = read_responses(shared, &mut down) => result,
        never = watch_hunger(shared) => match never {},
    };
    // Opening alone proves nothing: a server that opens and then refuses must meet growing pauses.
    let lasted = shared.now().saturating_sub(opened_at);
    if shared.lock().outbox.durable() > durable || lasted > shared.options.backoff.longest {
        backoff.handle_use();
    }
    result
}

/// Writes batches as they come, until something breaks.
async fn write_batches(shared: &StreamState, up: &mut Up) -> StreamError {
    let mut finished = false;
    let is_live = shared.options.lane == Lane::Live;
    loop {
        let (frames, finishing) = {
            let mut state = shared.lock();
            (state.outbox.poll_frames(), state.finishing)
        };
        let result = match frames {
            Some(frames) => {
                // What happens now goes in front of what happened before, which must not wait for ever all the same.
                if is_live {
                    up.go_first(!shared.connection.is_back_fill_starving());
                }
                up.write(frames).await
            }
            None if finishing && !finished => {
                finished = true;
                up.finish()
            }
            None => {
                shared.work.notified().await;
                Ok(())
            }
        };
        if let Err(error) = result {
            return error;
        }
    }
}

/// Says of a stream of back-fill whether it starves: it has batches on the way, and none of them has been acknowledged for long.
async fn watch_hunger(shared: &StreamState) -> Infallible {
    if shared.options.lane == Lane::Live {
        return std::future::pending().await;
    }
    let mut hunger = Hunger::on(&shared.connection);
    let (mut durable, mut since) = (shared.lock().outbox.durable(), shared.now());
    loop {
        tokio::time::sleep(HUNGER_STEP).await;
        let (now_durable, is_drained) = {
            let state = shared.lock();
            (state.outbox.durable(), state.outbox.is_drained())
        };
        if now_durable != durable || is_drained {
            (durable, since) = (now_durable, shared.now());
        }
        hunger.set(shared.now().saturating_sub(since) >= STARVING_AFTER);
    }
}

/// Time without an acknowledgement after which back-fill takes turns with what happens now.
const STARVING_AFTER: Duration = Duration::from_secs(5);
const HUNGER_STEP: Duration = Duration::from_millis(500);

/// Reads acknowledgements until the server closes its side.
async fn read_responses(shared: &StreamState, down: &mut Down) -> Result<(), StreamError> {
    loop {
        let answer = down.read_response().await?;
        let mut state = shared.lock();
        match answer {
            Response::Ack(ack) => {
                let acked = state.outbox.handle_ack(ack, shared.now())?;
                state.totals.add(&acked);
                drop(state);
                shared.notify_acked(&acked);
                shared.changed.notify_waiters();
            }
            Response::End if state.finishing && state.outbox.is_drained() => return Ok(()),
            Response::End => return Err(StreamError::Link("the server closed the stream".into())),
        }
    }
}
