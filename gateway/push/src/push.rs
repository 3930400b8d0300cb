//! All sources of a push, one after another.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::PushError;
use crate::identity::producer_name;
use crate::mapping::Mapping;
use crate::options::PushOptions;
use crate::progress::ProgressReporter;
use crate::report::{FileReport, ProgressSink, PushReport};
use crate::run::{FilePush, off_thread};
use crate::source::open::{OpenSource, PushFormat, PushInput};

/// Pushes all sources, one after another, and waits until everything is durable.
///
/// # Errors
/// The first [`PushError`]; what was acknowledged before it stays stored.
pub async fn push(options: PushOptions, progress: &dyn ProgressSink) -> Result<PushReport, PushError> {
    let mut report = PushReport::default();
    let mapping = Arc::new(options.mapping.clone());
    for (file_index, input) in options.inputs.iter().enumerate() {
        let (source, producer) = prepare(input.clone(), mapping.clone(), &options).await?;
        let mut file = FilePush {
            progress: ProgressReporter::new(progress, &source, file_index, options.inputs.len()),
            options: &options,
            mapping: mapping.clone(),
            report: FileReport { file: source.name.clone(), producer, ..FileReport::default() },
            streams: BTreeMap::new(),
        };
        file.run(source).await?;
        report.files.push(file.report);
    }
    Ok(report)
}

/// Opens a source and finds its producer's name.
async fn prepare(
    input: PushInput,
    mapping: Arc<Mapping>,
    options: &PushOptions,
) -> Result<(OpenSource, String), PushError> {
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
        let producer = producer_name(&mut source, &mapping, precision)?;
        Ok((source, producer))
    })
    .await
}
