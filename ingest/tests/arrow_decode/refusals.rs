//! Refusals of a whole batch: columns, types and limits.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Float64Array, Int64Array, ListArray, StringArray};
use arrow::datatypes::{Float64Type, Int32Type};
use zonelake_schemas::TableDef;
use zonelake_schemas::wire::control::RefusedCode;

use crate::fixture::{Fixture, batch, rejections};
use crate::sent::{decode, devices, times, with_field};

#[test]
fn unknown_columns_wrong_types_and_nested_types_are_refused_by_name() {
    let fixture = Fixture::new();
    let refused = |name: &str, values: ArrayRef| decode(&fixture, &with_field(name, values)).unwrap_err();
    let refusal = refused("pn", Arc::new(Float64Array::from(vec![1.0])));
    assert_eq!(refusal.code, RefusedCode::UnknownColumn);
    assert!(refusal.message.contains("\"pn\"") && refusal.message.contains("pm"), "{refusal}");
    for (name, values, words) in [
        ("pm", Arc::new(StringArray::from(vec!["1"])) as ArrayRef, ["pm", "Utf8", "Decimal32(9, 2)"]),
        ("count", Arc::new(Float64Array::from(vec![1.0])), ["count", "Float64", "Int64"]),
        ("on", Arc::new(Int64Array::from(vec![1])), ["on", "Int64", "Boolean"]),
        ("at", Arc::new(Int64Array::from(vec![1])), ["at", "Int64", "Timestamp"]),
        ("quality", Arc::new(Float64Array::from(vec![1.0])), ["quality", "Float64", "integer code"]),
        (
            "raw",
            Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([Some([Some(1.0)])])),
            ["raw", "List", "Float64"],
        ),
    ] {
        let refusal = refused(name, values);
        assert_eq!(refusal.code, RefusedCode::WrongType, "{refusal}");
        assert!(words.iter().all(|word| refusal.message.contains(word)), "{refusal}");
    }
    assert_eq!(fixture.key("a"), None, "nothing of a refused batch has an effect");
    let refusal = decode(&fixture, &batch(vec![("time", times(1)), ("pm", Arc::new(Float64Array::from(vec![1.0])))]))
        .unwrap_err();
    assert!(refusal.message.contains("no column device"), "{refusal}");
}

#[test]
fn batches_over_the_limits_are_refused() {
    let mut fixture = Fixture::new();
    fixture.limits.batch_rows_max = 3;
    let rows = |n: usize| with_field("pm", Arc::new(Float64Array::from(vec![f64::NAN; n])));
    assert_eq!(decode(&fixture, &rows(4)).unwrap_err().code, RefusedCode::TooLarge);
    fixture.limits.rejected_rows_max = 2;
    assert_eq!(decode(&fixture, &rows(3)).unwrap_err().code, RefusedCode::TooLarge);
    assert_eq!(rejections(&decode(&fixture, &rows(2)).unwrap()).len(), 2);
    fixture.limits.batch_cells_max = 8;
    assert_eq!(decode(&fixture, &rows(2)).unwrap_err().code, RefusedCode::TooLarge);
    fixture.limits.batch_cells_max = 1_000;
    fixture.limits.dictionary_values_max = 1;
    let two = batch(vec![("time", times(2)), ("device", devices(&["a", "b"]))]);
    assert_eq!(decode(&fixture, &two).unwrap_err().code, RefusedCode::TooLarge);
}

#[test]
fn shared_text_cannot_grow_beyond_the_limit_of_a_batch() {
    let mut fixture = Fixture::new();
    fixture.limits.decompressed_bytes_max = 100_000;
    let long = "x".repeat(60_000);
    let sent: DictionaryArray<Int32Type> = [long.as_str(), long.as_str()].into_iter().collect();
    let refusal = decode(&fixture, &with_field("note", Arc::new(sent))).unwrap_err();
    assert_eq!(refusal.code, RefusedCode::TooLarge, "{refusal}");
}

#[test]
fn text_columns_share_one_limit_of_a_batch() {
    let mut fixture = Fixture::new();
    let fields = ["u", "v", "w"].map(|name| format!("[[field]]\nname = \"{name}\"\ntype = \"text\"\n"));
    let table = TableDef::from_toml(&format!("name = \"texts\"\n{}", fields.concat())).unwrap();
    let registered = fixture.registry.register_tables(&[table]).unwrap();
    fixture.table = Arc::clone(registered.iter().find(|table| table.def.name == "texts").unwrap());
    fixture.limits.decompressed_bytes_max = 100_000;
    let long = "x".repeat(40_000);
    let shared: ArrayRef = Arc::new([long.as_str()].into_iter().collect::<DictionaryArray<Int32Type>>());
    let columns = |names: &[&'static str]| {
        let fixed = [("time", times(1)), ("device", devices(&["a"]))];
        batch(fixed.into_iter().chain(names.iter().map(|name| (*name, Arc::clone(&shared)))).collect())
    };
    assert_eq!(decode(&fixture, &columns(&["u", "v"])).unwrap().readings, 2);
    let refusal = decode(&fixture, &columns(&["u", "v", "w"])).unwrap_err();
    assert_eq!(refusal.code, RefusedCode::TooLarge, "{refusal}");
}
