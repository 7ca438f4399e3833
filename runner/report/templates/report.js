"use strict";
// Draws each figure when it comes near the screen, in the colours of the page.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#8c6bb1"];

  // On a dark page the blue of the palette is too dark: its lighter neighbour takes its place.
  function shade(data) {
    const text = JSON.stringify(data);
    return JSON.parse(dark.matches ? text.replaceAll("#0072b2", "#56b4e9") : text);
  }

  function themed(layout) {
    const text = dark.matches ? "#e6edf3" : "#1b1f24";
    const line = dark.matches ? "#30363d" : "#d8dee4";
    const axis = (own) => ({ gridcolor: line, zerolinecolor: line, automargin: true, ...own });
    const title = layout.title ? { ...layout.title, font: { size: 14 }, x: 0.02, xanchor: "left", y: 0.97, yanchor: "top" } : undefined;
    return {
      ...layout, title, autosize: true, colorway: shade(colors),
      xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: text, size: 12 },
      margin: { l: 60, r: 20, t: 84, b: 50 }, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: dark.matches ? "#57606a" : "#9aa4af" },
    };
  }

  // Axes and colours that hold for all frames: what moves is the model, not the scale.
  function fixed(frames, layout) {
    const all = frames.flatMap((frame) => frame.data);
    const ends = (numbers) => {
      const known = numbers.flat().filter((x) => typeof x === "number");
      return [known.reduce((a, b) => Math.min(a, b), Infinity), known.reduce((a, b) => Math.max(a, b), -Infinity)];
    };
    const [first] = all;
    if (!first) return {};
    if (first.type === "heatmap") {
      const [low, high] = ends(all.flatMap((trace) => trace.z));
      const most = Math.max(-low, high);
      return first.zmid === undefined ? { zmin: low, zmax: high } : { zmin: -most, zmax: most };
    }
    if (layout.yaxis.type !== "log") {
      const [low, high] = ends(all.map((trace) => trace.y || []));
      const room = 0.05 * (high - low);
      if (high > low) layout.yaxis.range = [first.type === "bar" ? Math.min(0, low) : low - room, high + room];
    }
    return {};
  }

  // A button and a range of the page's own: the keyboard reaches them, which it does not Plotly's.
  function controls(place, base, frames, span) {
    const bar = document.createElement("div");
    bar.className = "frames";
    const button = document.createElement("button");
    const range = document.createElement("input");
    const label = document.createElement("output");
    range.type = "range";
    range.max = frames.length - 1;
    range.value = frames.length - 1;
    range.setAttribute("aria-label", "epoch");
    button.type = "button";
    bar.append(button, range, label);
    let timer = null;
    const show = () => {
      const frame = frames[Number(range.value)];
      label.textContent = "epoch " + frame.name;
      const data = base.map((trace, i) => ({ ...trace, ...shade(frame.data[i] || {}), ...span }));
      return Plotly.react(place, data, place.layout).then(() => { place.dataset.epoch = frame.name; });
    };
    const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
    button.addEventListener("click", () => {
      if (timer) return stop();
      if (Number(range.value) === frames.length - 1) range.value = 0;
      button.textContent = "Pause";
      timer = setInterval(() => {
        if (Number(range.value) >= frames.length - 1) return stop();
        range.value = Number(range.value) + 1;
        show();
      }, 80);
    });
    range.addEventListener("input", () => { stop(); show(); });
    stop();
    label.textContent = "epoch " + frames[frames.length - 1].name;
    place.after(bar);
    place.dataset.controls = "yes";
  }

  function draw(place) {
    const figure = figures[Number(place.dataset.figure)];
    const layout = themed(figure.layout || {});
    const still = { displaylogo: false, displayModeBar: "hover" };
    const frames = figure.frames || [];
    delete layout.sliders;
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", (figure.layout && figure.layout.title && figure.layout.title.text) || "figure");
    const span = fixed(frames, layout);
    const data = shade(figure.data).map((trace) => ({ ...trace, ...span }));
    Plotly.newPlot(place, data, layout, still).then(() => {
      if (frames.length && !place.dataset.controls) controls(place, data, frames, span);
      place.dataset.drawn = "yes";
      fitted.observe(place);
    });
  }

  const places = [...document.querySelectorAll(".figure")];
  const fitted = new ResizeObserver((entries) => {
    for (const entry of entries) {
      if (entry.target.dataset.drawn === "yes") Plotly.Plots.resize(entry.target);
    }
  });
  const once = (place) => {
    if (place.dataset.drawn) return;
    place.dataset.drawn = "now";
    draw(place);
  };
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) once(entry.target);
  }, { rootMargin: "600px" });
  places.forEach((place) => near.observe(place));
  // report.html#all: everything at once, for programs that look without scrolling.
  if (location.hash === "#all") places.forEach(once);
  dark.addEventListener("change", () => places.filter((place) => place.dataset.drawn === "yes").forEach(draw));
  window.addEventListener("beforeprint", () => places.forEach(once));
})();
