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

  function moving(layout) {
    const play = { mode: "immediate", fromcurrent: true, frame: { duration: 80, redraw: true }, transition: { duration: 0 } };
    const stop = { mode: "immediate", frame: { duration: 0, redraw: false } };
    const button = (label, args) => ({ label, method: "animate", args });
    layout.updatemenus = [{
      type: "buttons", direction: "left", x: 0, y: -0.3, xanchor: "left", yanchor: "top", showactive: false, pad: { t: 10 },
      buttons: [button("Play", [null, play]), button("Pause", [[null], stop])],
    }];
    layout.sliders = layout.sliders.map((slider) => ({ ...slider, active: slider.steps.length - 1, x: 0.25, len: 0.75, y: -0.25, pad: { t: 10 } }));
    layout.margin.b = 110;
    layout.showlegend = false;
  }

  function draw(place) {
    const figure = figures[Number(place.dataset.figure)];
    const layout = themed(figure.layout || {});
    const still = { displaylogo: false, displayModeBar: "hover" };
    if (figure.frames && figure.frames.length) moving(layout);
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", (figure.layout && figure.layout.title && figure.layout.title.text) || "figure");
    Plotly.newPlot(place, shade(figure.data), layout, still).then(() => {
      if (figure.frames && figure.frames.length) Plotly.addFrames(place, shade(figure.frames));
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
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !entry.target.dataset.drawn) {
        entry.target.dataset.drawn = "now";
        draw(entry.target);
      }
    }
  }, { rootMargin: "600px" });
  places.forEach((place) => near.observe(place));
  // report.html#all: everything at once, for programs that look without scrolling.
  if (location.hash === "#all") places.forEach(draw);
  dark.addEventListener("change", () => places.filter((place) => place.dataset.drawn === "yes").forEach(draw));
  window.addEventListener("beforeprint", () => places.filter((place) => !place.dataset.drawn).forEach(draw));
})();
