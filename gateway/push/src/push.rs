//! All sources of a push, one after another.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::PushError;
use crate::identity::Identity;
use crate::mapping::declaration::Mapping;
use crate::options::PushOptions;
use crate::progress::ProgressReporter;
use crate::report::{FileReport, ProgressSink, PushReport};
use crate::sending::run::{FilePush, off_thread};
use crate::source::open::{OpenSource, PushFormat, PushInput};

/// Pushes all sources, one after another, and waits until everything is durable. A source that cannot be pushed by a fault of its own is
/// told in the report, and the others go on.
///
/// # Errors
/// The [`PushError`] that concerns all sources: the server refuses the gateway, or cannot be reached. What was acknowledged before it
/// stays stored.
pub fn push(
    options: PushOptions,
    progress: &dyn ProgressSink,
) -> Pin<Box<dyn Future<Output = Result<PushReport, PushError>> + Send + '_>> {
    Box::pin(async move {
        let mut report = PushReport::default();
        let mapping = Arc::new(options.mapping.clone());
        for (file_index, input) in options.inputs.iter().enumerate() {
            match push_one(&options, mapping.clone(), input, file_index, progress).await {
                Ok(file) => report.files.push(file),
                Err(error) if error.is_of_source() => report.failed.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(report)
    })
}

async fn push_one(
    options: &PushOptions,
    mapping: Arc<Mapping>,
    input: &PushInput,
    file_index: usize,
    progress: &dyn ProgressSink,
) -> Result<FileReport, PushError> {
    let (source, identity) = prepare(input.clone(), mapping.clone(), options).await?;
    let Identity { producer, content } = identity;
    let mut file = FilePush {
        progress: ProgressReporter::new(progress, &source, file_index, options.inputs.len()),
        options,
        mapping,
        report: FileReport { file: source.name.clone(), producer, ..FileReport::default() },
        content,
        streams: BTreeMap::new(),
    };
    file.run(source).await?;
    Ok(file.report)
}

/// Opens a source and finds what it is known by.
async fn prepare(
    input: PushInput,
    mapping: Arc<Mapping>,
    options: &PushOptions,
) -> Result<(OpenSource, Identity), PushError> {
    let precision = options.line_precision;
    let file = match &input {
        PushInput::File { path, .. } => path.display().to_string(),
        PushInput::Stdin { name, .. } => name.clone(),
    };
    off_thread(&file.clone(), move || {
        let mut source = OpenSource::open(&input)?;
        if source.format != PushFormat::Line {
            mapping.check().map_err(|error| PushError::from_mapping(&file, error))?;
        }
        let identity = Identity::of(&mut source, &mapping, precision)?;
        Ok((source, identity))
    })
    .await
}
