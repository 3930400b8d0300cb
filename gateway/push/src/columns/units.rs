//! Units as loggers write them, and what turns a value in one into a value in another. A unit that is not known, or measures something
//! else, is an error of the mapping and never a factor of 1.

use crate::mapping::time::MappingError;

/// A unit: what it measures, and its value in the base unit of that: value × factor + offset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Unit {
    quantity: Quantity,
    factor: f64,
    offset: f64,
}

/// What a unit measures. Two units of one quantity can be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    Acceleration,
    Angle,
    Conductivity,
    Current,
    DataRate,
    Energy,
    Flow,
    Fraction,
    Frequency,
    Length,
    MassPerVolume,
    MassPerNormalVolume,
    Power,
    ApparentPower,
    ReactiveEnergy,
    ReactivePower,
    Pressure,
    Speed,
    Temperature,
    Time,
    Turbidity,
    Voltage,
    Volume,
}

/// How the values of a column become those of a field: value × scale + offset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Linear {
    pub(crate) scale: f64,
    pub(crate) offset: f64,
}

impl Linear {
    /// Values as they are.
    pub(crate) const SAME: Self = Self { scale: 1.0, offset: 0.0 };

    /// Values times a factor.
    pub(crate) fn scaled(scale: f64) -> Self {
        Self { scale, offset: 0.0 }
    }

    /// From the unit of a column to that of a field. The same text is the same unit, known or not; a field without a unit takes any.
    pub(crate) fn between(column: &str, source: &str, field: &str) -> Result<Self, MappingError> {
        if source.is_empty() || field.is_empty() || normal(source) == normal(field) {
            return Ok(Self::SAME);
        }
        let wrong = |what: &str| {
            Err(MappingError::Invalid(format!(
                "column {column:?}: the source has it in {source:?} and the field in {field:?}: {what}; state a scale for this column, or unit = {field:?} where it is that"
            )))
        };
        match (Unit::named(source), Unit::named(field)) {
            (Some(from), Some(to)) if from.quantity == to.quantity => {
                Ok(Self { scale: exact(from.factor, to.factor), offset: (from.offset - to.offset) / to.factor })
            }
            (Some(_), Some(_)) => wrong("these are of different quantities"),
            (None, _) => wrong("the first one is not known"),
            (_, None) => wrong("the second one is not known"),
        }
    }
}

impl Unit {
    /// The unit of a text; `None` for one that is not known.
    pub(crate) fn named(text: &str) -> Option<Self> {
        let name = normal(text);
        UNITS
            .iter()
            .find(|(names, ..)| names.split(' ').any(|own| own == name))
            .map(|&(_, quantity, factor, offset)| Self { quantity, factor, offset })
    }
}

/// The quotient, as the nearest double to the exact one where both are powers of ten.
fn exact(from: f64, to: f64) -> f64 {
    let quotient = from / to;
    let rounded = quotient.log10().round();
    #[expect(clippy::cast_possible_truncation, reason = "factors are within 1e12")]
    let power: f64 = format!("1e{}", rounded as i32).parse().unwrap_or(quotient);
    if (quotient / power - 1.0).abs() < 1e-12 { power } else { quotient }
}

/// A unit's text in one form: without blanks and brackets, powers as digits, letters that look alike as one.
fn normal(text: &str) -> String {
    let plain = text
        .chars()
        .filter(|sign| !sign.is_whitespace() && !matches!(sign, '[' | ']' | '(' | ')' | '^' | '*' | '·' | '.'));
    let name: String = plain
        .map(|sign| match sign {
            'μ' | 'µ' => 'u',
            '²' => '2',
            '³' => '3',
            'º' | '˚' => '°',
            other => other,
        })
        .collect();
    match name.strip_prefix('°') {
        Some(rest) if !rest.is_empty() => format!("°{}", rest.to_uppercase()),
        _ => name
            .strip_prefix("mc")
            .filter(|rest| rest.starts_with("g/"))
            .map_or(name.clone(), |rest| format!("u{rest}")),
    }
}

/// Names in their normal form, quantity, factor and offset to the base unit. Factors of units of trade are those of the SI Brochure and NIST
/// SP 811.
const UNITS: &[(&str, Quantity, f64, f64)] = &[
    ("m/s2", Quantity::Acceleration, 1.0, 0.0),
    ("mm/s2", Quantity::Acceleration, 1e-3, 0.0),
    ("g", Quantity::Acceleration, 9.806_65, 0.0),
    ("° deg", Quantity::Angle, 1.0, 0.0),
    ("rad", Quantity::Angle, 57.295_779_513_082_32, 0.0),
    ("uS/cm", Quantity::Conductivity, 1.0, 0.0),
    ("mS/cm", Quantity::Conductivity, 1e3, 0.0),
    ("S/m", Quantity::Conductivity, 1e4, 0.0),
    ("A", Quantity::Current, 1.0, 0.0),
    ("mA", Quantity::Current, 1e-3, 0.0),
    ("kA", Quantity::Current, 1e3, 0.0),
    ("bit/s bps", Quantity::DataRate, 1.0, 0.0),
    ("kbit/s kbps", Quantity::DataRate, 1e3, 0.0),
    ("Mbit/s Mbps", Quantity::DataRate, 1e6, 0.0),
    ("Gbit/s Gbps", Quantity::DataRate, 1e9, 0.0),
    ("Wh", Quantity::Energy, 1.0, 0.0),
    ("kWh", Quantity::Energy, 1e3, 0.0),
    ("MWh", Quantity::Energy, 1e6, 0.0),
    ("GWh", Quantity::Energy, 1e9, 0.0),
    ("kJ", Quantity::Energy, 1e3 / 3_600.0, 0.0),
    ("MJ", Quantity::Energy, 1e6 / 3_600.0, 0.0),
    ("GJ", Quantity::Energy, 1e9 / 3_600.0, 0.0),
    ("m3/h", Quantity::Flow, 1.0, 0.0),
    ("m3/s", Quantity::Flow, 3_600.0, 0.0),
    ("m3/min", Quantity::Flow, 60.0, 0.0),
    ("m3/d m3/day m3/ngày", Quantity::Flow, 1.0 / 24.0, 0.0),
    ("l/s L/s", Quantity::Flow, 3.6, 0.0),
    ("l/min L/min", Quantity::Flow, 0.06, 0.0),
    ("l/h L/h", Quantity::Flow, 1e-3, 0.0),
    ("%", Quantity::Fraction, 1.0, 0.0),
    ("1", Quantity::Fraction, 100.0, 0.0),
    ("Hz", Quantity::Frequency, 1.0, 0.0),
    ("kHz", Quantity::Frequency, 1e3, 0.0),
    ("rpm 1/min", Quantity::Frequency, 1.0 / 60.0, 0.0),
    ("mm", Quantity::Length, 1e-3, 0.0),
    ("cm", Quantity::Length, 1e-2, 0.0),
    ("m", Quantity::Length, 1.0, 0.0),
    ("km", Quantity::Length, 1e3, 0.0),
    ("um", Quantity::Length, 1e-6, 0.0),
    ("in inch", Quantity::Length, 0.025_4, 0.0),
    ("ng/m3", Quantity::MassPerVolume, 1e-3, 0.0),
    ("ug/m3", Quantity::MassPerVolume, 1.0, 0.0),
    ("mg/m3 ug/l ug/L", Quantity::MassPerVolume, 1e3, 0.0),
    ("g/m3 mg/l mg/L", Quantity::MassPerVolume, 1e6, 0.0),
    ("g/l g/L kg/m3", Quantity::MassPerVolume, 1e9, 0.0),
    ("ug/Nm3", Quantity::MassPerNormalVolume, 1.0, 0.0),
    ("mg/Nm3", Quantity::MassPerNormalVolume, 1e3, 0.0),
    ("g/Nm3", Quantity::MassPerNormalVolume, 1e6, 0.0),
    ("W", Quantity::Power, 1.0, 0.0),
    ("kW", Quantity::Power, 1e3, 0.0),
    ("MW", Quantity::Power, 1e6, 0.0),
    ("GW", Quantity::Power, 1e9, 0.0),
    ("VA", Quantity::ApparentPower, 1.0, 0.0),
    ("kVA", Quantity::ApparentPower, 1e3, 0.0),
    ("MVA", Quantity::ApparentPower, 1e6, 0.0),
    ("varh VArh", Quantity::ReactiveEnergy, 1.0, 0.0),
    ("kvarh kVArh kVarh", Quantity::ReactiveEnergy, 1e3, 0.0),
    ("Mvarh MVArh MVarh", Quantity::ReactiveEnergy, 1e6, 0.0),
    ("var VAr", Quantity::ReactivePower, 1.0, 0.0),
    ("kvar kVAr kVar", Quantity::ReactivePower, 1e3, 0.0),
    ("Mvar MVAr MVar", Quantity::ReactivePower, 1e6, 0.0),
    ("Pa", Quantity::Pressure, 1.0, 0.0),
    ("hPa mbar", Quantity::Pressure, 1e2, 0.0),
    ("kPa", Quantity::Pressure, 1e3, 0.0),
    ("MPa", Quantity::Pressure, 1e6, 0.0),
    ("bar", Quantity::Pressure, 1e5, 0.0),
    ("atm", Quantity::Pressure, 101_325.0, 0.0),
    ("mmHg", Quantity::Pressure, 133.322_387_415, 0.0),
    ("psi", Quantity::Pressure, 6_894.757_293_168, 0.0),
    ("m/s", Quantity::Speed, 1.0, 0.0),
    ("mm/s", Quantity::Speed, 1e-3, 0.0),
    ("km/h kmh kph", Quantity::Speed, 1.0 / 3.6, 0.0),
    ("kn kt knot knots", Quantity::Speed, 1_852.0 / 3_600.0, 0.0),
    ("mph", Quantity::Speed, 0.447_04, 0.0),
    ("°C degC oC C", Quantity::Temperature, 1.0, 0.0),
    ("K", Quantity::Temperature, 1.0, -273.15),
    ("°F degF oF F", Quantity::Temperature, 5.0 / 9.0, -160.0 / 9.0),
    ("s", Quantity::Time, 1.0, 0.0),
    ("ms", Quantity::Time, 1e-3, 0.0),
    ("min", Quantity::Time, 60.0, 0.0),
    ("h", Quantity::Time, 3_600.0, 0.0),
    ("NTU FNU", Quantity::Turbidity, 1.0, 0.0),
    ("V", Quantity::Voltage, 1.0, 0.0),
    ("mV", Quantity::Voltage, 1e-3, 0.0),
    ("kV", Quantity::Voltage, 1e3, 0.0),
    ("l L", Quantity::Volume, 1e-3, 0.0),
    ("m3", Quantity::Volume, 1.0, 0.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(value: f64, source: &str, field: &str) -> f64 {
        let linear = Linear::between("c", source, field).unwrap();
        value * linear.scale + linear.offset
    }

    #[test]
    fn values_are_converted_between_units_of_one_quantity() {
        for (value, source, field, expected) in [
            (0.3, "mg/m³", "µg/m³", 300.0),
            (300.0, "ug/m3", "mg/m³", 0.3),
            (12.5, "mg/L", "mg/l", 12.5),
            (101.325, "kPa", "hPa", 1_013.25),
            (25.0, "degC", "°C", 25.0),
            (298.15, "K", "°C", 25.0),
            (77.0, "°F", "°C", 25.0),
            (36.0, "km/h", "m/s", 10.0),
            (32.0, "l/min", "m³/h", 1.92),
            (0.95, "1", "%", 95.0),
            (1.0, "Nonsense", "nonsense ", 1.0),
        ] {
            let nonsense = source == "Nonsense";
            if nonsense {
                assert!(Linear::between("c", source, field).is_err(), "letters of another case are another unit");
                continue;
            }
            assert!((convert(value, source, field) - expected).abs() < 1e-9, "{source} to {field}");
        }
        assert_eq!(Linear::between("c", "mg/m3", "µg/m³"), Ok(Linear::scaled(1_000.0)));
        assert_eq!(Linear::between("c", "µg/m3", "mg/m³"), Ok(Linear::scaled(0.001)));
        assert_eq!(Linear::between("c", "(μg/m³)", "µg/m³"), Ok(Linear::SAME));
        assert_eq!(Linear::between("c", "points", "points"), Ok(Linear::SAME));
        assert_eq!(Linear::between("c", "", "µg/m³"), Ok(Linear::SAME));
    }

    #[test]
    fn what_cannot_be_converted_is_an_error_that_names_both_units() {
        for (source, field) in
            [("ppm", "µg/m³"), ("°C", "µg/m³"), ("mg/Nm³", "mg/m³"), ("kW", "kvar"), ("m³/h", "points")]
        {
            let error = Linear::between("CO", source, field).unwrap_err().to_string();
            assert!(error.contains(source) && error.contains(field) && error.contains("\"CO\""), "{error}");
        }
    }
}
