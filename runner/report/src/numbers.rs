//! Formats numbers for a screen.

use serde_json::{Number, Value};

/// Significant digits; a screen shows no more.
const DIGITS: i32 = 5;

/// Rounds every number of a figure.
pub fn rounded(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(short) = number.as_f64().filter(|_| number.is_f64()).map(short)
                && let Some(short) = Number::from_f64(short)
            {
                *number = short;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(rounded),
        Value::Object(map) => map.values_mut().for_each(rounded),
        _ => {}
    }
}

fn short(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let digits = DIGITS - 1 - x.abs().log10().floor() as i32;
    if !(-300..300).contains(&digits) {
        return x;
    }
    format!("{x:.*e}", DIGITS as usize - 1).parse().unwrap_or(x)
}

/// Escapes JSON for a script: no `<` is left that could end the script.
pub(crate) fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// Counts things in words: 1 cell, 3 cells.
pub(crate) fn plural(count: u64, what: &str) -> String {
    format!(
        "{} {what}{}",
        grouped(count),
        if count == 1 { "" } else { "s" }
    )
}

/// Groups the digits of a number: 212,864.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a duration: 42 s, 3 min 5 s, 2 h 10 min.
pub fn duration(seconds: f64) -> String {
    let total = seconds.round().max(0.0) as u64;
    match total {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", total / 60, total % 60),
        _ => format!("{} h {} min", total / 3600, total % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_rounded_and_whole_numbers_are_not() {
        let mut value =
            json!({ "x": [1.234567891, 40000, -0.000012345678], "n": null, "t": "0.123456789" });
        rounded(&mut value);
        assert_eq!(
            value,
            json!({ "x": [1.2346, 40000, -1.2346e-5], "n": null, "t": "0.123456789" })
        );
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        assert_eq!(
            ["1", "999", "1,000", "212,864"],
            [1, 999, 1000, 212_864].map(grouped)
        );
        assert_eq!(
            (plural(1, "cell"), plural(3, "cell")),
            ("1 cell".to_owned(), "3 cells".to_owned())
        );
    }

    #[test]
    fn nothing_ends_a_script() {
        let text = in_script(&json!("</script><script>alert(1)</script>").to_string());
        assert!(!text.contains('<'), "{text}");
        let back: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back, "</script><script>alert(1)</script>");
    }
}
