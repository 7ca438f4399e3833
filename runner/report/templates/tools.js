"use strict";
// What a reader can do with a figure: enlarge it, take it away as a picture or as numbers, and change
// the scale of an axis. The buttons stand beside its title; a page without scripts, and paper, have
// none.
const tools = (() => {
  const LOG = { x: "xaxis", y: "yaxis" };

  // The numbers that an axis of a trace shows; none where it shows labels.
  function numbers(traces, axis) {
    const all = traces.flatMap((one) => (Array.isArray(one[axis]) ? one[axis] : []));
    return all.every((x) => x === null || typeof x === "number") ? all : [];
  }
  // Whether a logarithm of the axis makes sense: of lines, points and bars, where some number is
  // positive and most of them are, and of the horizontal axis where it is the epoch.
  function isScalable(figure, traces, axis) {
    if (!traces.length || traces.some((one) => one.type !== "scatter" && one.type !== "bar")) return false;
    const layout = (figure.layout || {})[LOG[axis]] || {};
    const title = layout.title && (layout.title.text || layout.title);
    if (axis === "x" && title !== "epoch") return false;
    if (layout.type === "category" || layout.scaleanchor) return false;
    const known = numbers(traces, axis).filter((x) => x !== null);
    const positive = known.filter((x) => x > 0);
    return positive.length > 1 && 2 * positive.length > known.length;
  }
  // The layout of a figure whose reader has chosen scales: { x: "log" } and the like.
  function scaled(layout, chosen) {
    const whole = { ...layout };
    for (const axis of Object.keys(chosen)) {
      const key = LOG[axis], own = { ...whole[key], type: chosen[axis] };
      // A range in numbers is none in powers of ten.
      if ((whole[key] || {}).type !== chosen[axis]) delete own.range;
      if (chosen[axis] === "log") delete own.tickformat;
      whole[key] = own;
    }
    if (chosen.x === "log" && Array.isArray(whole.shapes)) {
      // Epoch 0 is not on the axis: what begins there begins with it.
      whole.shapes = whole.shapes.map((shape) => (shape.xref === "x" && shape.x0 <= 0 ? { ...shape, x0: 1 } : shape));
    }
    return whole;
  }

  const cell = (x) => {
    if (x === null || x === undefined || Number.isNaN(x)) return "";
    const text = String(x);
    return /[",\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
  };
  const line = (values) => values.map(cell).join(",") + "\n";
  // The numbers of a figure as they are drawn: of a map its rows, of curves over the same places a
  // column each, else a row for each point.
  function csv(traces, layout) {
    const named = (axis, otherwise) => {
      const title = (layout[LOG[axis]] || {}).title;
      return (title && (title.text || title)) || otherwise;
    };
    const map = traces.find((one) => one.type === "heatmap");
    if (map) {
      const columns = map.x || map.z[0].map((_, i) => i), rows = map.y || map.z.map((_, i) => i);
      return line([named("y", "row"), ...columns]) + map.z.map((row, i) => line([rows[i], ...row])).join("");
    }
    const drawn = traces.filter((one) => Array.isArray(one.x) || Array.isArray(one.y));
    const points = drawn.map((one) => {
      const count = (one.x || one.y).length;
      return Array.from({ length: count }, (_, i) => [one.x ? one.x[i] : i, one.y ? one.y[i] : null]);
    });
    const names = drawn.map((one, i) => one.name || (drawn.length > 1 ? "trace " + (i + 1) : named("y", "value")));
    const columns = points.map((all) => new Map(all));
    if (columns.every((column, i) => column.size === points[i].length)) {
      const places = [...new Set(points.flatMap((all) => all.map(([x]) => x)))];
      if (places.every((x) => typeof x === "number")) places.sort((a, b) => a - b);
      return line([named("x", "x"), ...names]) + places.map((x) => line([x, ...columns.map((column) => column.get(x))])).join("");
    }
    const rows = points.flatMap((all, i) => all.map(([x, y]) => line([names[i], x, y])));
    return line(["trace", named("x", "x"), named("y", "y")]) + rows.join("");
  }

  function save(name, kind, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: kind }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  function nameOf(place, ending) {
    const card = place.closest("section");
    const cell = card && card.querySelector("h2");
    const parts = [cell && cell.textContent, place.getAttribute("aria-label"), place.dataset.epoch && "epoch " + place.dataset.epoch];
    const name = parts.filter(Boolean).join(" ").replace(/[^\p{L}\p{N}._-]+/gu, "-").slice(0, 120);
    return name + ending;
  }
  async function picture(place) {
    const back = getComputedStyle(document.documentElement).getPropertyValue("--back").trim() || "#ffffff";
    const { data, layout } = place;
    const size = { width: Math.max(640, place.clientWidth), height: Math.max(400, place.clientHeight) };
    const title = { text: place.getAttribute("aria-label"), automargin: true, x: 0.02, yref: "container", pad: { t: 10 } };
    const whole = { data, layout: { ...layout, paper_bgcolor: back, plot_bgcolor: back, title, autosize: false, margin: { ...layout.margin, t: 60 } } };
    const url = await Plotly.toImage(whole, { format: "svg", ...size });
    save(nameOf(place, ".svg"), "image/svg+xml", decodeURIComponent(url.slice(url.indexOf(",") + 1)));
  }

  // One figure at a time fills the screen, above the scrubber, which goes on to move it.
  function enlarge(card, button, on) {
    document.querySelectorAll(".card.enlarged").forEach((other) => { if (other !== card) other.classList.remove("enlarged"); });
    card.classList.toggle("enlarged", on);
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Close" : "Enlarge";
    document.body.classList.toggle("has-enlarged", on);
  }
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const button = document.querySelector(".card.enlarged .tools button");
    if (button) { button.click(); button.focus(); }
  });

  // Adds the buttons of a figure once it is drawn. `state` has its figure, the traces of the frame
  // that is shown, the scales that are chosen, and draws it again.
  function add(place, state) {
    const card = place.closest(".card");
    if (!card || card.querySelector(".tools")) return;
    const row = document.createElement("div");
    row.className = "tools";
    const button = (text, title, click) => {
      const one = document.createElement("button");
      one.type = "button";
      one.textContent = text;
      one.title = title;
      one.addEventListener("click", () => click(one));
      row.append(one);
      return one;
    };
    const large = button("Enlarge", "Fill the screen with this figure; Escape closes it", (one) => enlarge(card, one, !card.classList.contains("enlarged")));
    large.setAttribute("aria-pressed", "false");
    button("SVG", "Save this figure as a picture", () => picture(place));
    button("CSV", "Save the numbers as they are drawn here, thinned and of 16 bits; the files of the run have all", () => {
      save(nameOf(place, ".csv"), "text/csv", csv(state.traces(), state.figure.layout || {}));
    });
    const traces = state.traces();
    for (const [axis, text] of [["y", "log"], ["x", "log epoch"]]) {
      if (!isScalable(state.figure, traces, axis)) continue;
      const own = ((state.figure.layout || {})[LOG[axis]] || {}).type === "log";
      const toggle = button(text, axis === "x" ? "Logarithmic epochs; epoch 0 is not on such an axis" : "Logarithmic values; zero and below are not on such an axis", (one) => {
        const log = one.getAttribute("aria-pressed") !== "true";
        one.setAttribute("aria-pressed", String(log));
        state.chosen[axis] = log ? "log" : "linear";
        state.again();
      });
      toggle.setAttribute("aria-pressed", String(own));
    }
    card.querySelector("figcaption").prepend(row);
  }
  return { add, scaled, csv, isScalable };
})();
