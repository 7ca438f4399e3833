//! What other pages share with the report: style, scripts, and how bytes travel in a page.

/// The style sheet of every page.
pub const STYLE: &str = include_str!("../templates/report.css");
/// The script with which pages draw figures.
pub const DRAWING: &str = include_str!("../templates/figures.js");
/// Plotly's own bundle.
pub const PLOTLY: &str = include_str!("../vendor/plotly-cartesian.min.js");

/// Writes bytes in base64, with its padding.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let n = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            text.push(if i <= three.len() {
                char::from(DIGITS[(n >> (18 - 6 * i)) as usize & 63])
            } else {
                '='
            });
        }
    }
    text
}
