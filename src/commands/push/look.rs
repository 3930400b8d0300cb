//! `--dry-run` and `--suggest`: a look at files without a server.

use zonelake_push::{dry_run as look_at, suggest as draft};
use zonelake_registry::declared_tables;
use zonelake_schemas::TableDef;
use zonelake_schemas::tables::builtin_tables;

use super::options::PushOptions;
use crate::error::CliError;

/// Prints what would be stored and rejected of each file.
///
/// # Errors
/// Where a file cannot be read, or has rows that cannot be read and must not be left out.
pub(super) fn dry_run(options: &PushOptions) -> Result<(), CliError> {
    let mapping = options.mapping()?;
    let table = table(options, &mapping.table)?;
    let mut bad = 0;
    for input in options.inputs()? {
        let run = look_at(&input, &mapping, options.precision.unit(), &table);
        let run = run.map_err(|error| CliError::from_kind(error.kind(), error))?;
        println!("{run}");
        bad += run.bad_rows + run.bad_cells;
    }
    if bad > 0 && !options.skip_bad_rows {
        let message =
            format!("{bad} rows or cells cannot be read: nothing would be sent of their files without --skip-bad-rows");
        return Err(CliError::input(message));
    }
    Ok(())
}

/// Prints a draft of a mapping of the first file.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn suggest(options: &PushOptions) -> Result<(), CliError> {
    let table = table(options, options.table.as_deref().unwrap_or_default())?;
    for input in options.inputs()?.iter().take(1) {
        print!("{}", draft(input, &table).map_err(|error| CliError::from_kind(error.kind(), error))?);
    }
    Ok(())
}

fn table(options: &PushOptions, name: &str) -> Result<TableDef, CliError> {
    let tables = match &options.tables {
        Some(folder) => declared_tables(folder).map_err(CliError::input)?,
        None => builtin_tables(),
    };
    let names: Vec<String> = tables.iter().map(|table| table.name.clone()).collect();
    tables.into_iter().find(|table| table.name == name).ok_or_else(|| {
        CliError::input(format!(
            "there is no table {name:?}; there are {}; --tables names the folder of your own",
            names.join(", ")
        ))
    })
}
