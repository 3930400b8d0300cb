//! Areas as GeoJSON polygons (RFC 7946, WGS 84, longitude first), and how far a point is from the edge of one.

use std::iter::zip;

/// Mean radius of the earth, metres.
const EARTH_RADIUS_M: f64 = 6_371_008.8;
/// Distances below this are none: a point on an edge is on it, whatever the last digits of a sum say.
const ON_EDGE_M: f64 = 1e-6;
/// Depth of the lists of a MultiPolygon: polygons, rings, positions, numbers.
const DEPTH_MAX: usize = 4;
/// Positions that a polygon may have.
const POSITIONS_MAX: usize = 10_000;

/// An area: rings of positions, where a ring within another one is a hole.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon {
    rings: Vec<Vec<(f64, f64)>>,
}

impl Polygon {
    /// Reads a GeoJSON geometry, or a feature with one, of type Polygon or MultiPolygon.
    ///
    /// # Errors
    /// What is wrong with the text, to stand behind "it is not a polygon:".
    pub fn from_geojson(text: &str) -> Result<Self, &'static str> {
        if !text.contains("\"Polygon\"") && !text.contains("\"MultiPolygon\"") {
            return Err("its type is neither Polygon nor MultiPolygon");
        }
        let (_, behind) = text.split_once("\"coordinates\"").ok_or("it has no coordinates")?;
        let list = behind.trim_start().strip_prefix(':').ok_or("it has no coordinates")?;
        let mut reader = Reader { rest: list, positions: 0 };
        let mut rings = Vec::new();
        match reader.value(0)? {
            Value::List(of) => collect_rings(&of, &mut rings)?,
            Value::Number(_) => return Err("its coordinates are not lists"),
        }
        if rings.is_empty() {
            return Err("it has no ring");
        }
        for ring in &rings {
            if ring.len() < 4 || ring.first() != ring.last() {
                return Err("a ring has four positions at least, and ends where it begins");
            }
            if ring.iter().any(|(longitude, latitude)| longitude.abs() > 180.0 || latitude.abs() > 90.0) {
                return Err("a position is a longitude from -180 to 180 and then a latitude from -90 to 90");
            }
        }
        Ok(Self { rings })
    }

    /// Distance of a point from the edge in metres: negative within the area, 0 on the edge. The plane that touches the earth at the point
    /// stands for it, which is right to a thousandth for areas of some kilometres.
    pub fn distance_m(&self, longitude: f64, latitude: f64) -> f64 {
        let mut is_within = false;
        let mut nearest_m = f64::INFINITY;
        for ring in &self.rings {
            let around = around(ring, longitude, latitude);
            for (&a, &b) in zip(&around, around.iter().skip(1)) {
                nearest_m = nearest_m.min(distance_of_origin(a, b));
                // Edges that a ray to the east crosses; each end counts for one of its two edges.
                if (a.1 > 0.0) != (b.1 > 0.0) && a.0 - a.1 * (b.0 - a.0) / (b.1 - a.1) > 0.0 {
                    is_within = !is_within;
                }
            }
        }
        match is_within {
            _ if nearest_m < ON_EDGE_M => 0.0,
            true => -nearest_m,
            false => nearest_m,
        }
    }
}

/// Positions of a ring in metres to the east and north of a point. A ring goes on across 180° of longitude.
fn around(ring: &[(f64, f64)], longitude: f64, latitude: f64) -> Vec<(f64, f64)> {
    let turn = |degrees: f64| degrees - 360.0 * (degrees / 360.0).round();
    let east_m = EARTH_RADIUS_M * latitude.to_radians().cos();
    let mut before: Option<(f64, f64)> = None;
    let mut placed = Vec::with_capacity(ring.len());
    for &(at_longitude, at_latitude) in ring {
        let degrees = match before {
            None => turn(at_longitude - longitude),
            Some((was, degrees)) => degrees + turn(at_longitude - was),
        };
        before = Some((at_longitude, degrees));
        placed.push((degrees.to_radians() * east_m, (at_latitude - latitude).to_radians() * EARTH_RADIUS_M));
    }
    placed
}

/// Distance of the origin from the line between two points.
fn distance_of_origin(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (x, y) = (b.0 - a.0, b.1 - a.1);
    let length = x * x + y * y;
    let along = if length > 0.0 { (-(a.0 * x + a.1 * y) / length).clamp(0.0, 1.0) } else { 0.0 };
    (a.0 + along * x).hypot(a.1 + along * y)
}

/// A number or a list in JSON.
enum Value {
    Number(f64),
    List(Vec<Value>),
}

/// Reads lists of numbers.
struct Reader<'a> {
    rest: &'a str,
    positions: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, &'static str> {
        self.rest = self.rest.trim_start();
        let Some(behind) = self.rest.strip_prefix('[') else { return self.number() };
        if depth == DEPTH_MAX {
            return Err("its lists are nested too deeply");
        }
        self.rest = behind.trim_start();
        let mut values = Vec::new();
        loop {
            self.positions += 1;
            if self.positions > 4 * POSITIONS_MAX {
                return Err("it has more than 10,000 positions");
            }
            values.push(self.value(depth + 1)?);
            self.rest = self.rest.trim_start();
            if let Some(behind) = self.rest.strip_prefix(',') {
                self.rest = behind;
            } else if let Some(behind) = self.rest.strip_prefix(']') {
                self.rest = behind;
                return Ok(Value::List(values));
            } else {
                return Err("a list has no end");
            }
        }
    }

    fn number(&mut self) -> Result<Value, &'static str> {
        let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let end = self.rest.find(|c| !is_of_number(c)).unwrap_or(self.rest.len());
        let (text, behind) = self.rest.split_at(end);
        self.rest = behind;
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Number(number)),
            _ => Err("a coordinate is not a number"),
        }
    }
}

/// Rings of lists of whatever depth.
fn collect_rings(values: &[Value], rings: &mut Vec<Vec<(f64, f64)>>) -> Result<(), &'static str> {
    let mut ring = Vec::new();
    for value in values {
        match value {
            Value::Number(_) => return Err("its coordinates are not rings of positions"),
            Value::List(of) => match of.as_slice() {
                // A third number is a height.
                [Value::Number(longitude), Value::Number(latitude), ..] => ring.push((*longitude, *latitude)),
                _ if ring.is_empty() => collect_rings(of, rings)?,
                _ => return Err("its coordinates are not rings of positions"),
            },
        }
    }
    if !ring.is_empty() {
        rings.push(ring);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// About a kilometre around the harbour, with a hole of a tenth of it.
    const HARBOUR: &str = r#"{"type": "Polygon", "coordinates": [
        [[106.40, 18.10], [106.41, 18.10], [106.41, 18.11], [106.40, 18.11], [106.40, 18.10]],
        [[106.404, 18.104], [106.406, 18.104], [106.406, 18.106], [106.404, 18.106], [106.404, 18.104]]]}"#;

    #[test]
    fn a_point_is_within_outside_or_on_the_edge() {
        let area = Polygon::from_geojson(HARBOUR).unwrap();
        assert!(area.distance_m(106.402, 18.102) < -200.0);
        assert!(area.distance_m(106.405, 18.105) > 100.0, "the hole is outside");
        assert_eq!(area.distance_m(106.405, 18.10), 0.0);
        assert_eq!(area.distance_m(106.40, 18.10), 0.0);
        // A thousandth of a degree of latitude is 111.195 m.
        assert!((area.distance_m(106.405, 18.099) - 111.195).abs() < 0.01);
        assert!((area.distance_m(106.405, 18.101) + 111.195).abs() < 0.01);
        // Beyond a corner the corner is nearest.
        let corner = area.distance_m(106.411, 18.111);
        assert!((corner - 111.195_f64.hypot(111.195 * 18.111_f64.to_radians().cos())).abs() < 0.1, "{corner}");
    }

    #[test]
    fn an_area_may_lie_across_180_degrees_and_have_several_parts() {
        let text = r#"{"type":"Feature","geometry":{"type":"MultiPolygon","coordinates":
            [[[[179,-1],[-179,-1],[-179,1],[179,1],[179,-1]]],[[[10,50,3],[11,50,3],[11,51,3],[10,50,3]]]]}}"#;
        let area = Polygon::from_geojson(text).unwrap();
        for (longitude, latitude) in [(179.5, 0.0), (-179.5, 0.0), (180.0, 0.5), (10.9, 50.5)] {
            assert!(area.distance_m(longitude, latitude) < 0.0, "{longitude} {latitude}");
        }
        for (longitude, latitude) in [(178.5, 0.0), (-178.5, 0.0), (0.0, 0.0), (10.1, 50.9)] {
            assert!(area.distance_m(longitude, latitude) > 0.0, "{longitude} {latitude}");
        }
    }

    #[test]
    fn what_is_no_polygon_is_refused() {
        let ring = |text: &str| format!(r#"{{"type":"Polygon","coordinates":{text}}}"#);
        for (text, said) in [
            ("", "type"),
            (r#"{"type":"Point","coordinates":[1,2]}"#, "type"),
            (r#"{"type":"Polygon"}"#, "no coordinates"),
            (&ring("[[[0,0],[1,0],[1,1]]]"), "four positions"),
            (&ring("[[[0,0],[1,0],[1,1],[0,1]]]"), "ends where it begins"),
            (&ring("[[[0,0],[200,0],[1,1],[0,0]]]"), "longitude"),
            (&ring("[[[0,0],[1,0],[1,1],[0,0]]"), "no end"),
            (&ring("[[[0,0],[1,x],[1,1],[0,0]]]"), "not a number"),
            (&ring("[1,2]"), "rings"),
            (&ring("3"), "not lists"),
            (&ring(&"[".repeat(100_000)), "too deeply"),
        ] {
            let error = Polygon::from_geojson(text).unwrap_err();
            assert!(error.contains(said), "{text:.60}: {error}");
        }
    }
}
