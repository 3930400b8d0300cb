//! Functions of json and jsonb. A text is taken where json is wanted, as a constant is in PostgreSQL.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, LargeStringArray, ListArray, StringArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, plan_err};
use zonelake_timeseries::Zone;

use crate::postgres::function::{Call, Function, Typing};
use crate::postgres::functions::array_functions::strings;
use crate::postgres::json::value::{Json, Kind, push_text};
use crate::postgres::json::written::{Writer, array};
use crate::postgres::rules::kinds::is_text;
use crate::postgres::value_error::ValueError;

/// Names of the functions that syntax becomes: casts, and `->`, `->>`, `#>`, `#>>`.
pub(crate) const JSON: &str = "json";
pub(crate) const JSONB: &str = "jsonb";
pub(crate) const GET: &str = "json_get";
pub(crate) const GET_TEXT: &str = "json_get_text";
pub(crate) const PATH: &str = "json_get_path";
pub(crate) const PATH_TEXT: &str = "json_get_path_text";
/// Items of an array and names of an object, of which relations are made.
pub(crate) const ITEMS: &str = "json_items";
pub(crate) const ITEM_TEXTS: &str = "json_item_texts";
pub(crate) const NAMES: &str = "json_names";
/// An array of SQL as the rows that `json_agg` puts together.
pub(crate) const AGGREGATED: &str = "json_of_rows";
/// The object of a row: names and values in turn.
pub(crate) const ROW: &str = "json_of_row";

/// The functions of this module.
pub(crate) fn functions() -> Vec<Function> {
    let of_json: [(&'static str, Typing, Run); 21] = [
        (JSON, read_typing, |call| read(call, false)),
        (JSONB, read_typing, |call| read(call, true)),
        (GET, get_typing, |call| got(call, false)),
        (GET_TEXT, get_text_typing, |call| got(call, true)),
        (PATH, path_typing, |call| at_path(call, false)),
        (PATH_TEXT, path_text_typing, |call| at_path(call, true)),
        ("json_extract_path", steps_typing, |call| at_steps(call, false)),
        ("jsonb_extract_path", steps_typing, |call| at_steps(call, false)),
        ("json_extract_path_text", steps_text_typing, |call| at_steps(call, true)),
        ("jsonb_extract_path_text", steps_text_typing, |call| at_steps(call, true)),
        ("json_typeof", text_typing, type_names),
        ("jsonb_typeof", text_typing, type_names),
        ("json_array_length", number_typing, lengths),
        ("jsonb_array_length", number_typing, lengths),
        (ITEMS, items_typing, |call| items(call, false)),
        (ITEM_TEXTS, texts_typing, |call| items(call, true)),
        (NAMES, texts_typing, names),
        ("to_json", any_typing, |call| to_json(call, ",")),
        ("array_to_json", any_typing, |call| to_json(call, ",")),
        ("to_jsonb", any_typing, to_jsonb),
        (AGGREGATED, any_typing, aggregated),
    ];
    let of_values: [(&'static str, Typing, Run); 5] = [
        ("json_build_array", many_typing, |call| build_array(call, ",")),
        ("jsonb_build_array", many_typing, |call| build_array(call, ", ")),
        ("json_build_object", many_typing, |call| build_object(call, [" : ", ", ", ","])),
        ("jsonb_build_object", many_typing, build_binary_object),
        (ROW, many_typing, |call| build_object(call, [":", ",", ","])),
    ];
    let function =
        |(name, typing, run): (&'static str, Typing, Run)| Function::new(name, typing, run).depending_on_session();
    let of_values = of_values.into_iter().map(|one| function(one).seeing_nulls());
    of_json.into_iter().map(function).chain(of_values).collect()
}

type Run = fn(&Call<'_>) -> Result<ArrayRef>;
type Typed = Result<(Vec<DataType>, DataType)>;

const OF_JSON: DataType = DataType::LargeUtf8;

fn json_argument(given: &DataType) -> Result<DataType> {
    if is_text(given) || *given == DataType::Null { Ok(OF_JSON) } else { plan_err!("json is wanted, and not {given}") }
}

fn one_json(given: &[DataType], result: DataType) -> Typed {
    match given {
        [only] => Ok((vec![json_argument(only)?], result)),
        _ => plan_err!("one value of json is wanted"),
    }
}

fn read_typing(given: &[DataType]) -> Typed {
    one_json(given, OF_JSON)
}

fn text_typing(given: &[DataType]) -> Typed {
    one_json(given, DataType::Utf8)
}

fn number_typing(given: &[DataType]) -> Typed {
    one_json(given, DataType::Int64)
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

fn items_typing(given: &[DataType]) -> Typed {
    one_json(given, list_of(OF_JSON))
}

fn texts_typing(given: &[DataType]) -> Typed {
    one_json(given, list_of(DataType::Utf8))
}

fn key_typing(given: &[DataType], result: DataType) -> Typed {
    match given {
        [json, key] if key.is_integer() => Ok((vec![json_argument(json)?, DataType::Int64], result)),
        [json, _] => Ok((vec![json_argument(json)?, DataType::Utf8], result)),
        _ => plan_err!("json and a key are wanted"),
    }
}

fn get_typing(given: &[DataType]) -> Typed {
    key_typing(given, OF_JSON)
}

fn get_text_typing(given: &[DataType]) -> Typed {
    key_typing(given, DataType::Utf8)
}

fn steps_of(given: &[DataType], of_steps: &DataType, result: DataType) -> Typed {
    let Some((json, steps)) = given.split_first() else { return plan_err!("json and a path are wanted") };
    let wanted = std::iter::once(json_argument(json)?).chain(steps.iter().map(|_| of_steps.clone()));
    Ok((wanted.collect(), result))
}

fn path_typing(given: &[DataType]) -> Typed {
    steps_of(given, &list_of(DataType::Utf8), OF_JSON)
}

fn path_text_typing(given: &[DataType]) -> Typed {
    steps_of(given, &list_of(DataType::Utf8), DataType::Utf8)
}

fn steps_typing(given: &[DataType]) -> Typed {
    steps_of(given, &DataType::Utf8, OF_JSON)
}

fn steps_text_typing(given: &[DataType]) -> Typed {
    steps_of(given, &DataType::Utf8, DataType::Utf8)
}

fn any_typing(given: &[DataType]) -> Typed {
    match given {
        [_] => Ok((given.to_vec(), OF_JSON)),
        _ => plan_err!("one value is wanted"),
    }
}

fn many_typing(given: &[DataType]) -> Typed {
    Ok((given.to_vec(), OF_JSON))
}

/// Values that are made of the JSON of each row.
pub(super) fn each<T>(
    call: &Call<'_>,
    mut of_row: impl FnMut(usize, &Json<'_>) -> Result<Option<T>>,
) -> Result<Vec<Option<T>>> {
    let texts = call.args[0].as_string::<i64>();
    let rows = texts.iter().enumerate().map(|(row, text)| match text {
        Some(text) => of_row(row, &Json::read(text)?),
        None => Ok(None),
    });
    rows.collect()
}

/// Texts of the type of the result.
fn column(call: &Call<'_>, texts: Vec<Option<String>>) -> ArrayRef {
    match call.result {
        DataType::LargeUtf8 => Arc::new(LargeStringArray::from(texts)),
        _ => Arc::new(StringArray::from(texts)),
    }
}

fn read(call: &Call<'_>, is_binary: bool) -> Result<ArrayRef> {
    let checked = each(call, |_, json| Ok(is_binary.then(|| binary(json))))?;
    // json keeps what was written, the blanks around it too.
    Ok(if is_binary { column(call, checked) } else { Arc::clone(&call.args[0]) })
}

fn binary(json: &Json<'_>) -> String {
    let mut text = String::new();
    json.push_binary(&mut text);
    text
}

pub(super) fn part(json: Option<&Json<'_>>, as_text: bool) -> Option<String> {
    let json = json?;
    if as_text { json.text().map(str::to_owned) } else { Some(json.written.to_owned()) }
}

fn got(call: &Call<'_>, as_text: bool) -> Result<ArrayRef> {
    let parts = match call.args[1].as_primitive_opt::<Int64Type>() {
        Some(places) => each(call, |row, json| {
            let item = places.is_valid(row).then(|| json.item(places.value(row))).flatten();
            Ok(part(item, as_text))
        })?,
        None => {
            let keys = strings(&call.args[1])?;
            each(call, |row, json| {
                let member = keys.is_valid(row).then(|| json.member(keys.value(row))).flatten();
                Ok(part(member, as_text))
            })?
        }
    };
    Ok(column(call, parts))
}

fn at_path(call: &Call<'_>, as_text: bool) -> Result<ArrayRef> {
    let Some(paths) = call.args.get(1) else { return plan_err!("json and a path are wanted") };
    let paths = paths.as_list::<i32>();
    let parts = each(call, |row, json| {
        if paths.is_null(row) {
            return Ok(None);
        }
        let steps = strings(&paths.value(row))?;
        let end = steps.iter().try_fold(json, |json, step| json.step(step?));
        Ok(part(end, as_text))
    })?;
    Ok(column(call, parts))
}

fn at_steps(call: &Call<'_>, as_text: bool) -> Result<ArrayRef> {
    let steps = call.args[1..].iter().map(strings).collect::<Result<Vec<_>>>()?;
    let parts = each(call, |row, json| {
        let of_row = |steps: &StringArray| steps.is_valid(row).then(|| steps.value(row).to_owned());
        let end = steps.iter().try_fold(json, |json, step| json.step(&of_row(step)?));
        Ok(part(end, as_text))
    })?;
    Ok(column(call, parts))
}

fn type_names(call: &Call<'_>) -> Result<ArrayRef> {
    let names = each(call, |_, json| Ok(Some(json.type_name().to_owned())))?;
    Ok(column(call, names))
}

fn lengths(call: &Call<'_>) -> Result<ArrayRef> {
    let counts = each(call, |_, json| match &json.kind {
        Kind::Array(items) => Ok(i64::try_from(items.len()).ok()),
        _ => Err(ValueError::error("22023", "cannot get array length of a value that is no array")),
    })?;
    Ok(Arc::new(Int64Array::from(counts)))
}

fn items(call: &Call<'_>, as_text: bool) -> Result<ArrayRef> {
    let lists = each(call, |_, json| match &json.kind {
        Kind::Array(items) => Ok(Some(items.iter().map(|item| part(Some(item), as_text)).collect::<Vec<_>>())),
        _ => Err(ValueError::error("22023", "cannot extract elements from a value that is no array")),
    })?;
    list_column(call, lists)
}

fn names(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = each(call, |_, json| match &json.kind {
        Kind::Object(members) => Ok(Some(members.iter().map(|(name, _)| Some(name.clone())).collect::<Vec<_>>())),
        _ => Err(ValueError::error("22023", "cannot name the members of a value that is no object")),
    })?;
    list_column(call, lists)
}

pub(super) fn list_column(call: &Call<'_>, lists: Vec<Option<Vec<Option<String>>>>) -> Result<ArrayRef> {
    let DataType::List(item) = call.result else { return plan_err!("an array is made") };
    let nulls = NullBuffer::from_iter(lists.iter().map(Option::is_some));
    let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.as_ref().map_or(0, Vec::len)));
    let texts: StringArray = lists.into_iter().flatten().flatten().collect();
    let texts = cast(&texts, item.data_type())?;
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, texts, Some(nulls))?))
}

fn writer(call: &Call<'_>, comma: &'static str) -> Result<Writer> {
    Ok(Writer { zone: Zone::from_session(call.config)?, comma })
}

fn to_json(call: &Call<'_>, comma: &'static str) -> Result<ArrayRef> {
    let texts = writer(call, comma)?.texts(&call.args[0])?;
    Ok(column(call, texts))
}

/// The values of `json_agg`; arrays stand on lines of their own.
fn aggregated(call: &Call<'_>) -> Result<ArrayRef> {
    let is_nested = matches!(call.args[0].data_type(), DataType::List(item) if item.data_type().is_nested());
    to_json(call, if is_nested { ", \n " } else { ", " })
}

fn to_jsonb(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = writer(call, ", ")?.texts(&call.args[0])?;
    Ok(column(call, canonical(texts)?))
}

/// Texts as jsonb is written.
pub(super) fn canonical(texts: Vec<Option<String>>) -> Result<Vec<Option<String>>> {
    let one = |text: Option<String>| -> Result<Option<String>> {
        match text {
            Some(text) => Ok(Some(binary(&Json::read(&text)?))),
            None => Ok(None),
        }
    };
    texts.into_iter().map(one).collect()
}

fn build_array(call: &Call<'_>, of_items: &'static str) -> Result<ArrayRef> {
    let writer = writer(call, of_items)?;
    let columns = call.args.iter().map(|values| writer.texts(values)).collect::<Result<Vec<_>>>()?;
    let rows = columns.first().map_or(1, Vec::len);
    let texts = (0..rows).map(|row| {
        let items: Vec<Option<String>> = columns.iter().map(|column| column[row].clone()).collect();
        Some(array(&items, ", "))
    });
    Ok(column(call, texts.collect()))
}

/// Objects of names and values in turn, which are written with a colon, and commas between members and between items of arrays.
fn build_object(call: &Call<'_>, [colon, comma, of_items]: [&'static str; 3]) -> Result<ArrayRef> {
    Ok(column(call, objects(call, [colon, comma, of_items])?))
}

fn build_binary_object(call: &Call<'_>) -> Result<ArrayRef> {
    let written = objects(call, [": ", ", ", ", "])?;
    Ok(column(call, canonical(written)?))
}

fn objects(call: &Call<'_>, [colon, comma, of_items]: [&'static str; 3]) -> Result<Vec<Option<String>>> {
    if !call.args.len().is_multiple_of(2) {
        return Err(ValueError::error("22023", "argument list must have even number of elements"));
    }
    let writer = writer(call, of_items)?;
    let pair = |pair: &[ArrayRef]| -> Result<(StringArray, Vec<Option<String>>)> {
        Ok((strings(&pair[0])?, writer.texts(&pair[1])?))
    };
    let pairs = call.args.chunks(2).map(pair).collect::<Result<Vec<_>>>()?;
    let rows = call.args.first().map_or(1, |first| first.len());
    let of_row = |row: usize| {
        let mut object = String::from("{");
        for (at, (names, values)) in pairs.iter().enumerate() {
            if names.is_null(row) {
                return Err(ValueError::error("22023", "a key of a JSON object cannot be null"));
            }
            object.push_str(if at > 0 { comma } else { "" });
            push_text(&mut object, names.value(row));
            object.push_str(colon);
            object.push_str(values[row].as_deref().unwrap_or("null"));
        }
        object.push('}');
        Ok(Some(object))
    };
    (0..rows).map(of_row).collect()
}
