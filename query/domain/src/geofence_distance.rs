//! `geofence_distance(polygon, longitude, latitude)`: how far a point is from the edge of an area, in metres.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use zonelake_schemas::polygon::Polygon;

/// Distance of a point from the edge of a GeoJSON polygon: negative within it, 0 on the edge. A text that is no polygon has no distance.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct GeofenceDistance {
    signature: Signature,
}

impl Default for GeofenceDistance {
    fn default() -> Self {
        let types = vec![DataType::Utf8, DataType::Float64, DataType::Float64];
        Self { signature: Signature::exact(types, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for GeofenceDistance {
    fn name(&self) -> &str {
        "geofence_distance"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [polygons, longitudes, latitudes] = arrays.as_slice() else {
            return exec_err!("geofence_distance takes a polygon, a longitude and a latitude");
        };
        let polygons = polygons.as_string::<i32>();
        let (longitudes, latitudes) =
            (longitudes.as_primitive::<Float64Type>(), latitudes.as_primitive::<Float64Type>());
        // Rows that follow each other nearly always ask about one area.
        let mut known: Option<(&str, Option<Polygon>)> = None;
        let mut distances = Vec::with_capacity(polygons.len());
        for row in 0..polygons.len() {
            if polygons.is_null(row) || longitudes.is_null(row) || latitudes.is_null(row) {
                distances.push(None);
                continue;
            }
            let text = polygons.value(row);
            let polygon = match &known {
                Some((of, polygon)) if *of == text => polygon,
                _ => &known.insert((text, Polygon::from_geojson(text).ok())).1,
            };
            distances.push(polygon.as_ref().map(|area| area.distance_m(longitudes.value(row), latitudes.value(row))));
        }
        let distances: ArrayRef = Arc::new(Float64Array::from(distances));
        Ok(ColumnarValue::Array(distances))
    }
}
