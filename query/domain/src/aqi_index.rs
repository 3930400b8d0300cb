//! `vn_aqi(concentration, concentrations, indices)`: where a concentration stands on the scale that the two lists make, step by step.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::datatypes::{DataType, Decimal128Type, Field, Float64Type, i256};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::fixed::{number_argument, quotient, scaled};

/// Digits behind the point of a sub-index. Fewer than those of a mean, so that two that are equal are equal here, and enough that no two
/// that differ become one: means of up to sixty values of four digits differ by more.
const INDEX_SCALE: i8 = 15;
/// The type of a sub-index.
const INDEX: DataType = DataType::Decimal128(20, INDEX_SCALE);
/// Ten to the digits that steps may have behind the point.
const STEP_DIGITS: f64 = 1e4;

/// Sub-index of a concentration: (I2 − I1) / (BP2 − BP1) · (C − BP1) + I1 (Decision 1459/QĐ-TCMT), unrounded.
///
/// Above the last step that has a concentration the result is the maximum index of the list where that step has it, and null otherwise: the
/// scale of O3 over 8 hours ends early, and is not used beyond its end. Below the first step it is null.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct AqiIndex {
    signature: Signature,
}

impl Default for AqiIndex {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for AqiIndex {
    fn name(&self) -> &str {
        "vn_aqi"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [concentration, concentrations, indices] = given else {
            return plan_err!("vn_aqi takes a concentration, the concentrations of the steps and their indices");
        };
        let list = |given: &DataType| match given {
            DataType::List(_) | DataType::Null => {
                Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true))))
            }
            other => plan_err!("the steps of vn_aqi are lists of numbers, and not {other}"),
        };
        Ok(vec![number_argument(concentration)?, list(concentrations)?, list(indices)?])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(INDEX)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [concentrations, at_steps, indices] = arrays.as_slice() else {
            return exec_err!("vn_aqi takes three arguments");
        };
        let DataType::Decimal128(_, scale) = *concentrations.data_type() else {
            return exec_err!("vn_aqi takes a decimal");
        };
        let concentrations = concentrations.as_primitive::<Decimal128Type>();
        let (at_steps, indices) = (at_steps.as_list::<i32>(), indices.as_list::<i32>());
        // The lists are nearly always the same in all rows of a batch.
        let mut known: Option<((ArrayRef, ArrayRef), Vec<Step>)> = None;
        let mut results = Vec::with_capacity(concentrations.len());
        for row in 0..concentrations.len() {
            if concentrations.is_null(row) || at_steps.is_null(row) || indices.is_null(row) {
                results.push(None);
                continue;
            }
            let lists = (at_steps.value(row), indices.value(row));
            let steps = match &known {
                Some((of, steps)) if *of == lists => steps,
                _ => {
                    let steps = steps(lists.0.as_primitive::<Float64Type>(), lists.1.as_primitive::<Float64Type>());
                    &known.insert((lists, steps)).1
                }
            };
            results.push(scaled(concentrations.value(row), scale).and_then(|value| index(value, steps)));
        }
        let array = Decimal128Array::from(results).with_precision_and_scale(20, INDEX_SCALE)?;
        Ok(ColumnarValue::Array(Arc::new(array)))
    }
}

/// A step of the scale, both numbers in ten thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    concentration: Option<i128>,
    index: i128,
}

fn steps(concentrations: &Float64Array, indices: &Float64Array) -> Vec<Step> {
    let number = |values: &Float64Array, at: usize| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "steps have a few digits; what has more is cut to the greatest"
        )]
        (values.is_valid(at)).then(|| (values.value(at) * STEP_DIGITS).round() as i128)
    };
    let pairs = (0..concentrations.len().min(indices.len()))
        .filter_map(|at| Some(Step { concentration: number(concentrations, at), index: number(indices, at)? }));
    let mut steps: Vec<Step> = pairs.collect();
    steps.sort_by_key(|step| step.index);
    steps
}

/// The index of a concentration of 20 digits, in [`INDEX_SCALE`] digits.
fn index(concentration: i128, steps: &[Step]) -> Option<i128> {
    let greatest = steps.last()?.index;
    // Of a step in ten thousandths to 20 digits.
    let fixed = |of: i128| of.checked_mul(10_i128.pow(16));
    let whole = |index: i128| index.checked_mul(10_i128.pow(11));
    let known: Vec<(i128, i128)> = steps.iter().filter_map(|step| Some((step.concentration?, step.index))).collect();
    let &(last, last_index) = known.last()?;
    if concentration > fixed(last)? || (concentration == fixed(last)? && last_index == greatest) {
        return (last_index == greatest).then(|| whole(greatest)).flatten();
    }
    for pair in known.windows(2) {
        let [(low, low_index), (high, high_index)] = pair else { continue };
        if concentration < fixed(*low)? {
            return None;
        }
        if concentration <= fixed(*high)? {
            let above = i256::from_i128(concentration.checked_sub(fixed(*low)?)?);
            let rise = above.checked_mul(i256::from_i128(high_index - low_index))?;
            // Ten thousandths above and below cancel out: 20 digits remain, of which five are cut.
            let run = i256::from_i128((high - low).checked_mul(10_i128.pow(5))?);
            return quotient(rise, run)?.checked_add(whole(*low_index)?);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDICES: [f64; 8] = [0.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0];
    const PM2_5: [f64; 8] = [0.0, 25.0, 50.0, 80.0, 150.0, 250.0, 350.0, 500.0];
    const NO2: [f64; 8] = [0.0, 100.0, 200.0, 700.0, 1200.0, 2350.0, 3100.0, 3850.0];
    const O3_1H: [f64; 8] = [0.0, 160.0, 200.0, 300.0, 400.0, 800.0, 1000.0, 1200.0];

    fn of(concentration: &str, at_steps: &[Option<f64>]) -> Option<String> {
        let (whole, rest) = concentration.split_once('.').unwrap_or((concentration, ""));
        let value: i128 = format!("{whole}{rest:0<20}").parse().unwrap();
        let steps = steps(&Float64Array::from(at_steps.to_vec()), &Float64Array::from(INDICES.to_vec()));
        let index = index(value, &steps)?;
        Some(format!("{}.{:015}", index / 10_i128.pow(15), index % 10_i128.pow(15)))
    }

    fn all(at_steps: [f64; 8]) -> Vec<Option<f64>> {
        at_steps.map(Some).to_vec()
    }

    fn o3_8h() -> Vec<Option<f64>> {
        vec![Some(0.0), Some(100.0), Some(120.0), Some(170.0), Some(210.0), Some(400.0), None, None]
    }

    #[test]
    fn the_vectors_of_the_decision_give_its_indices() {
        for (concentration, steps, expected) in [
            ("89.3", o3_8h(), "44.650000000000000"),
            ("114.6", all(O3_1H), "35.812500000000000"),
            ("130.8", all(NO2), "65.400000000000000"),
            ("118.7", all(NO2), "59.350000000000000"),
            ("55.7", all(PM2_5), "109.500000000000000"),
        ] {
            assert_eq!(of(concentration, &steps).as_deref(), Some(expected), "{concentration}");
        }
    }

    #[test]
    fn beyond_the_last_step_the_index_is_500_and_there_is_none_where_the_scale_ends_before() {
        assert_eq!(of("500", &all(PM2_5)).as_deref(), Some("500.000000000000000"));
        assert_eq!(of("9999.99", &all(PM2_5)).as_deref(), Some("500.000000000000000"));
        assert_eq!(of("499.99999999999999999999", &all(PM2_5)).as_deref(), Some("500.000000000000000"));
        assert_eq!(of("400", &o3_8h()).as_deref(), Some("300.000000000000000"));
        assert_eq!(of("400.0001", &o3_8h()), None);
        assert_eq!(of("0", &all(NO2)).as_deref(), Some("0.000000000000000"));
        assert_eq!(of("25", &all(PM2_5)).as_deref(), Some("50.000000000000000"));
    }

    #[test]
    fn a_concentration_at_a_tie_is_one_and_its_neighbors_are_none() {
        assert_eq!(of("25.25", &all(PM2_5)).as_deref(), Some("50.500000000000000"));
        assert_eq!(of("25.24999999999999", &all(PM2_5)).as_deref(), Some("50.499999999999980"));
        assert_eq!(of("25.25000000000001", &all(PM2_5)).as_deref(), Some("50.500000000000020"));
    }
}
