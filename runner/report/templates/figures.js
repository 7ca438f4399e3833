"use strict";
// What every page of grokrun draws figures with: the colours of the screen, Plotly's layout in them,
// and what pack.rs packed, unpacked. The report has it before its own script, the live page too.
const figures = (() => {
  const darkScreen = window.matchMedia("(prefers-color-scheme: dark)");
  const colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#999999"];
  const canHover = window.matchMedia("(hover: hover)").matches;
  // Paper is white, whatever the screen is.
  let printing = false;
  const isDark = () => darkScreen.matches && !printing;

  // What pack.rs packed: low + n * step, with the highest n for a gap.
  function unpacked(list) {
    if (!list || list.packed === undefined) return list;
    const raw = atob(list.packed), bytes = list.bytes, gap = bytes === 1 ? 255 : 65535;
    const all = new Array(raw.length / bytes);
    for (let i = 0; i < all.length; i++) {
      const n = bytes === 1 ? raw.charCodeAt(i) : raw.charCodeAt(2 * i) | (raw.charCodeAt(2 * i + 1) << 8);
      const x = list.low + n * list.step;
      all[i] = n === gap ? null : list.log ? 10 ** x : x;
    }
    if (list.width === undefined) return all;
    const rows = [];
    for (let i = 0; i < all.length; i += list.width) rows.push(all.slice(i, i + list.width));
    return rows;
  }
  function trace(packed) {
    const whole = { ...packed };
    for (const key of ["x", "y", "z"]) if (key in whole) whole[key] = unpacked(whole[key]);
    if (whole.marker) whole.marker = { ...whole.marker, color: unpacked(whole.marker.color) };
    return whole;
  }

  // On a dark page the blue of the palette is too dark: its lighter neighbour takes its place. Zero is
  // the page's own colour, so that what is not zero stands out on either.
  const around = {
    false: [[0, "#2166ac"], [0.25, "#92c5de"], [0.5, "#f7f7f7"], [0.75, "#f4a582"], [1, "#b2182b"]],
    true: [[0, "#7cc4ff"], [0.25, "#2f6ea8"], [0.5, "#161b22"], [0.75, "#a8502f"], [1, "#ffb08a"]],
  };
  function shaded(one) {
    const whole = { ...one };
    const shade = (part) => (part && isDark() && part.color === "#0072b2" ? { ...part, color: "#56b4e9" } : part);
    for (const key of ["line", "marker"]) if (whole[key]) whole[key] = shade(whole[key]);
    if (whole.colorscale === "RdBu" && whole.reversescale) {
      whole.colorscale = around[isDark()];
      whole.reversescale = false;
    }
    const slim = { thickness: 12, outlinewidth: 0 };
    if (whole.type === "heatmap") whole.colorbar = { ...slim, ...whole.colorbar };
    if (whole.marker && whole.marker.showscale) whole.marker = { ...whole.marker, colorbar: { ...slim, ...whole.marker.colorbar } };
    return whole;
  }

  // Which of many labels of a heatmap are shown. Plotly would choose by the room that the labels
  // themselves take, and may never come to an end.
  function spaced(labels, room, along) {
    if (!Array.isArray(labels) || labels.length < 2 || typeof labels[0] !== "string") return {};
    const longest = labels.reduce((most, label) => Math.max(most, label.length), 0);
    let step = Math.max(1, Math.ceil((labels.length * (along ? 7 * longest + 10 : 16)) / Math.max(room, 60)));
    const cosine = labels.findIndex((label) => label.startsWith("cos "));
    if (cosine >= 0 && step > 1) step += step % 2;
    // Plain counting goes by round numbers.
    if (labels.every((label, i) => label === String(i))) step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((round) => round >= step) || step;
    return { type: "category", tickmode: "linear", tick0: Math.max(0, cosine) % step, dtick: step, tickangle: 0 };
  }

  function themed(own, data, place) {
    const [wide, high] = printing ? [320, 240] : [place.clientWidth, place.clientHeight];
    const narrow = wide < 420;
    const text = isDark() ? "#e6edf3" : "#1b1f24";
    const line = isDark() ? "#30363d" : "#d8dee4";
    const layout = { ...own };
    // The page has the title as text, which wraps and can be read aloud.
    delete layout.title;
    for (const key of new Set(["xaxis", "yaxis", ...Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))])) {
      const axis = layout[key] || {};
      const title = typeof axis.title === "string" ? { text: axis.title } : axis.title;
      layout[key] = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true,
        ...(axis.tickformat || key[0] === "x" ? {} : { hoverformat: ".5~g" }),
        ...(narrow && key[0] === "x" ? { nticks: 6 } : {}),
        ...(axis.type === "log" ? { exponentformat: "power" } : {}),
        ...axis, title: title && { standoff: 8, ...title } };
    }
    const z = data[0] && data[0].type === "heatmap" && data[0].z;
    const square = z && z.length >= 16 && z[0] && z.length === z[0].length;
    if (z) {
      layout.xaxis = { ...layout.xaxis, ...spaced(data[0].x, 0.7 * Math.min(wide, square ? high : wide), true) };
      layout.yaxis = { ...layout.yaxis, ...spaced(data[0].y, 0.75 * high, false) };
    }
    if (square) {
      layout.yaxis = { ...layout.yaxis, scaleanchor: "x", constrain: "domain" };
      layout.xaxis = { ...layout.xaxis, constrain: "domain" };
    }
    // Paper is not laid out yet when figures are drawn for it: two stand side by side on it.
    const size = printing ? { autosize: false, width: 320, height: square || layout.yaxis.scaleanchor ? 320 : 240 } : { autosize: true };
    const named = data.filter((one) => one.name && one.showlegend !== false).length;
    return {
      ...layout, ...size, colorway: isDark() ? colors.map((c) => (c === "#0072b2" ? "#56b4e9" : c === "#56b4e9" ? "#b4d8f0" : c)) : colors,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: text, size: 12, family: "system-ui, sans-serif" },
      margin: { l: 8, r: 16, t: canHover ? 30 : 12, b: 8 }, showlegend: named > 1,
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)", ...layout.legend },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: isDark() ? "#8b949e" : "#6e7781" },
    };
  }

  // The bar that appears over a figure: what makes sense for one that may be drawn again any time.
  const bar = { displaylogo: false, displayModeBar: canHover ? "hover" : false, modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]] };
  return { darkScreen, colors, bar, trace, shaded, themed, print: (now) => { printing = now; } };
})();
