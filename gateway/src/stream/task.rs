//! The task of a stream: it opens links, writes batches and reads acknowledgements until the end.

use std::sync::Arc;

use super::options::LinkEvent;
use super::state::StreamState;
use crate::backoff::Backoff;
use crate::error::StreamError;
use crate::link::{self, Answer, Down, Up};

/// The stream's task: one link after another until the end.
pub(super) async fn keep_going(shared: Arc<StreamState>) {
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
        if !error.is_passing() {
            break Err(error);
        }
        let Some(retry_after) = backoff.handle_failure(shared.now(), error.pause()) else {
            break Err(StreamError::GaveUp { after: backoff.closed_for(shared.now()), last: error.to_string() });
        };
        tracing::debug!(producer = %shared.options.producer, table = %shared.options.table, %error, "the link broke");
        shared.tell_link(&LinkEvent::Broken { error, retry_after });
        tokio::time::sleep(retry_after).await;
    };
    shared.lock().ended = Some(ended);
    shared.room.notify_waiters();
}

/// Opens the stream once and runs it until all is done or something breaks. Only a link that was of use counts as an
/// open one: a server that opens and then refuses is not asked again at once for ever.
async fn one_link(shared: &StreamState, backoff: &mut Backoff) -> Result<(), StreamError> {
    let (mut up, mut down, opened) = link::open(&shared.connection, &shared.open_message()).await?;
    shared.handle_opened(opened)?;
    let (opened_at, durable) = (shared.now(), shared.lock().outbox.durable());
    let result = tokio::select! {
        error = write_batches(shared, &mut up) => Err(error),
        result = read_answers(shared, &mut down) => result,
    };
    let lasted = shared.now().saturating_sub(opened_at);
    if shared.lock().outbox.durable() > durable || lasted > shared.options.backoff.longest {
        backoff.handle_use();
    }
    result
}

/// Writes batches as they come, until something breaks.
async fn write_batches(shared: &StreamState, up: &mut Up) -> StreamError {
    let mut finished = false;
    loop {
        let (frames, finishing) = {
            let mut state = shared.lock();
            (state.outbox.poll_frames(), state.finishing)
        };
        let result = match frames {
            Some(frames) => up.write(frames).await,
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

/// Reads acknowledgements until the server closes its side.
async fn read_answers(shared: &StreamState, down: &mut Down) -> Result<(), StreamError> {
    loop {
        let answer = down.read_answer().await?;
        let mut state = shared.lock();
        match answer {
            Answer::Ack(ack) => {
                let acked = state.outbox.handle_ack(ack, shared.now())?;
                state.totals.add(&acked);
                drop(state);
                shared.tell_acked(&acked);
                shared.room.notify_waiters();
            }
            Answer::End if state.finishing && state.outbox.is_drained() => return Ok(()),
            Answer::End => return Err(StreamError::Link("the server closed the stream".into())),
        }
    }
}
