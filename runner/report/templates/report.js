"use strict";
// Draws each figure when it comes near the screen, in the colours of the page. Plotly itself is read
// after the first paint: the text above is there at once.
(() => {
  const { darkScreen, colors, bar, trace, shaded, themed } = figures;
  const places = [...document.querySelectorAll(".figure")];

  // Axes and colours that hold for all frames: what moves is the model, not the scale. A packed list
  // knows its own ends.
  function fixed(frames, layout, base) {
    let low = Infinity, high = -Infinity;
    const first = base[0] || {};
    const key = first.type === "heatmap" ? "z" : "y";
    const ends = (list) => {
      if (!list) return;
      if (list.packed !== undefined) {
        const real = (x) => (list.log ? 10 ** x : x);
        low = Math.min(low, real(list.low));
        high = Math.max(high, real(list.high));
        return;
      }
      for (const x of list.flat()) if (typeof x === "number") { low = Math.min(low, x); high = Math.max(high, x); }
    };
    for (const one of base) ends(one[key]);
    for (const frame of frames) for (const one of frame.data) ends(one[key]);
    if (!(high > low)) return {};
    if (key === "z") {
      const most = Math.max(-low, high);
      return first.zmid === undefined ? { zmin: low, zmax: high } : { zmin: -most, zmax: most };
    }
    if (layout.yaxis.range === undefined && first.type !== "histogram") {
      const log = layout.yaxis.type === "log";
      if (log && low <= 0) return {};
      const [from, to] = log ? [Math.log10(low), Math.log10(high)] : [first.type === "bar" ? Math.min(0, low) : low, high];
      const room = 0.05 * (to - from);
      layout.yaxis.range = [!log && first.type === "bar" && from === 0 ? 0 : from - room, to + room];
    }
    return {};
  }

  // One scrubber for the page. Its track is the loss curve of the cell that is read; every figure
  // over epochs follows it: those with frames by the frame of the latest epoch that they have by
  // then, the others by a line. What is off the screen follows when it comes into view.
  const scrubber = document.getElementById("scrubber");
  const range = scrubber.querySelector("input"), button = scrubber.querySelector("button");
  const output = scrubber.querySelector("output"), canvas = scrubber.querySelector("canvas");
  const followers = new Map(), visible = new Set();
  const all = location.hash === "#all";
  let last = 0, playing = false, pending = false, track = null;
  const epoch = () => Number(range.value);
  const isOverEpochs = (layout) => {
    const title = layout.xaxis && layout.xaxis.title;
    return title === "epoch" || (title && title.text === "epoch");
  };
  // Of a figure whose first frame is later, the first.
  function frameAt(frames) {
    let low = 0, high = frames.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (Number(frames[middle].name) <= epoch()) low = middle; else high = middle - 1;
    }
    return frames[low];
  }
  function mark(place) {
    const axis = place._fullLayout && place._fullLayout.xaxis;
    if (!axis) return;
    let line = place.querySelector(".cursor");
    if (!line) { line = document.createElement("div"); line.className = "cursor"; place.append(line); }
    const at = axis.type === "log" && epoch() <= 0 ? NaN : axis.d2p(epoch());
    line.hidden = !(at >= 0 && at <= axis._length);
    const { t, h } = place._fullLayout._size;
    Object.assign(line.style, { left: axis._offset + at + "px", top: t + "px", height: h + "px" });
  }
  function follow(place) {
    const follower = followers.get(place);
    if (!follower || place.dataset.drawn !== "yes") return;
    if (!all && !visible.has(place)) { follower.late = true; return; }
    follower.late = false;
    if (follower.frames) {
      const frame = frameAt(follower.frames);
      if (place.dataset.epoch !== frame.name) {
        place.dataset.epoch = frame.name;
        follower.show(frame);
        place.dataset.drawings = Number(place.dataset.drawings || 0) + 1;
      }
    } else {
      mark(place);
      place.dataset.epoch = epoch();
    }
  }
  function say() {
    output.textContent = "epoch " + epoch();
    range.setAttribute("aria-valuetext", output.textContent);
  }
  // However fast it moves, figures are drawn when the screen is ready for them.
  function move() {
    say();
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => { pending = false; for (const place of followers.keys()) follow(place); });
  }
  const word = () => { button.textContent = playing ? "Pause" : "Play"; };
  const stop = () => { playing = false; word(); };
  button.addEventListener("click", () => {
    if (playing) return stop();
    playing = true;
    word();
    const from = epoch() >= last ? 0 : epoch(), length = 6000 * (1 - from / last);
    let began = null;
    const step = (now) => {
      if (!playing) return;
      began = began === null ? now : began;
      const share = Math.min(1, (now - began) / length);
      range.value = Math.round(from + share * (last - from));
      move();
      if (share >= 1) return stop();
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  range.addEventListener("input", () => { stop(); move(); });
  function reach(epochs) {
    if (!(epochs > last)) return;
    const atEnd = epoch() >= last;
    last = epochs;
    range.max = last;
    if (atEnd) range.value = last;
    range.step = 1;
    say();
    if (scrubber.hidden) { scrubber.hidden = false; paint(); }
  }
  // The loss curves of a cell, by the logarithm, behind the thumb.
  function paint() {
    if (scrubber.hidden || track === null) return;
    const figure = JSON.parse(document.getElementById("figure-" + track).textContent);
    const ratio = window.devicePixelRatio || 1, wide = canvas.clientWidth, high = canvas.clientHeight;
    canvas.width = wide * ratio;
    canvas.height = high * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const curves = figure.data.map((one) => ({ ...trace(one), line: shaded(one).line }));
    const logs = curves.map((one) => (one.y || []).map((y) => (y > 0 ? Math.log10(y) : NaN)));
    const known = logs.flat().filter((y) => !Number.isNaN(y));
    const low = known.reduce((a, b) => Math.min(a, b), Infinity), most = known.reduce((a, b) => Math.max(a, b), -Infinity);
    curves.forEach((one, i) => {
      pen.beginPath();
      pen.strokeStyle = (one.line && one.line.color) || "#999999";
      pen.globalAlpha = 0.7;
      let down = false;
      logs[i].forEach((y, j) => {
        if (Number.isNaN(y)) { down = false; return; }
        const [a, b] = [(one.x[j] / last) * (wide - 4) + 2, high - 3 - ((y - low) / (most - low || 1)) * (high - 6)];
        if (down) pen.lineTo(a, b); else pen.moveTo(a, b);
        down = true;
      });
      pen.stroke();
    });
  }
  // The cell that is read: the last one whose section has begun.
  function read() {
    let now = null;
    for (const cell of document.querySelectorAll(".cell")) if (now === null || cell.getBoundingClientRect().top < innerHeight / 2) now = cell;
    const next = now && now.dataset.curve;
    if (next !== track) { track = next; paint(); }
  }

  const shown = new Map();
  function draw(place) {
    const known = shown.get(place);
    const figure = known ? known.figure : JSON.parse(document.getElementById("figure-" + place.dataset.figure).textContent);
    if (figure.too_large) {
      place.textContent = "Too large for this page (" + (figure.too_large / 1e6).toFixed(1) + " MB): see the figure's own file in the cell's folder.";
      place.dataset.drawn = "yes";
      return;
    }
    const frames = figure.frames || [];
    const base = figure.data.map(trace);
    const chosen = known ? known.chosen : {};
    const layout = themed(tools.scaled(figure.layout || {}, chosen), base, place);
    const span = frames.length ? fixed(frames, layout, figure.data) : {};
    const at = (frame) => base.map((one, i) => {
      const whole = shaded({ ...one, ...(frame ? trace(frame.data[i] || {}) : {}) });
      // There are eight colours; the ninth line has the first one's, dashed, unless it has its own.
      if (i >= colors.length && whole.mode === "lines" && !(whole.line && whole.line.color)) whole.line = { dash: "dash", ...whole.line };
      return { ...whole, ...span };
    });
    const state = known || { figure, chosen, again: () => safely(place) };
    shown.set(place, state);
    let frameShown = null;
    state.traces = () => at(frameShown);
    state.show = (frame) => { frameShown = frame; return Plotly.react(place, at(frame), layout, bar); };
    const moves = frames.length > 1;
    if (moves || isOverEpochs(figure.layout || {})) {
      followers.set(place, { frames: moves && frames, show: (frame) => state.show(frame) });
      const ends = moves ? [Number(frames[frames.length - 1].name)] : base.map((one) => Number((one.x || []).slice(-1)[0])).filter((x) => x > 0);
      reach(Math.max(...ends));
    }
    const first = moves && !place.dataset.epoch ? frames[frames.length - 1] : moves ? frameAt(frames) : null;
    if (first) place.dataset.epoch = first.name;
    frameShown = first;
    Plotly.newPlot(place, at(first), layout, bar).then(() => {
      place.dataset.drawn = "yes";
      fitted.observe(place);
      follow(place);
      if (known) return;
      tools.add(place, state);
      place.on("plotly_afterplot", () => { if (followers.has(place) && !followers.get(place).frames) mark(place); });
      place.on("plotly_click", (event) => {
        const point = event.points && event.points[0];
        if (!point) return;
        const meta = figure.layout && figure.layout.meta;
        if (meta && meta.links && typeof point.customdata === "string") return visit(point.customdata);
        if (!followers.has(place) || followers.get(place).frames) return;
        stop();
        range.value = Math.round(point.x);
        move();
      });
    });
  }

  // To the section of a cell, or where it has none to its row of the table.
  function visit(link) {
    const known = document.getElementById(link) ? link : link.replace("cell-", "row-");
    if (document.getElementById(known)) location.hash = known;
  }

  // A plugin's figure that Plotly cannot draw is said to be so, and is no harm to the others.
  function safely(place) {
    try {
      draw(place);
    } catch (error) {
      place.textContent = "This figure cannot be drawn: " + error.message;
      place.dataset.drawn = "failed";
    }
  }
  const fitted = new ResizeObserver((entries) => {
    for (const { target } of entries) if (target.dataset.drawn === "yes" && target.clientWidth) Plotly.Plots.resize(target);
  });
  // The section that is read is marked in the contents.
  const entries = [...document.querySelectorAll(".contents a")];
  const targets = entries.map((entry) => document.getElementById(entry.hash.slice(1)));
  function current() {
    let now = 0;
    targets.forEach((target, i) => { if (target && target.getBoundingClientRect().top < 120) now = i; });
    entries.forEach((entry, i) => { if (i === now) entry.setAttribute("aria-current", "true"); else entry.removeAttribute("aria-current"); });
  }
  const once = (place) => {
    if (place.dataset.drawn) return;
    place.dataset.drawn = "now";
    safely(place);
  };
  const again = () => places.filter((place) => place.dataset.drawn === "yes").forEach(safely);

  function start() {
    const script = document.createElement("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.head.append(script);
    const near = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) once(entry.target);
    }, { rootMargin: "600px" });
    places.forEach((place) => near.observe(place));
    const seen = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) { visible.delete(target); continue; }
        visible.add(target);
        if (followers.has(target) && followers.get(target).late) follow(target);
      }
    });
    places.forEach((place) => seen.observe(place));
    const wide = window.matchMedia("(min-width: 80rem)");
    const contents = document.querySelector(".contents");
    const fold = () => { contents.open = wide.matches; };
    wide.addEventListener("change", fold);
    fold();
    let due = false;
    const scrolled = () => {
      if (due) return;
      due = true;
      requestAnimationFrame(() => { due = false; read(); current(); });
    };
    addEventListener("scroll", scrolled, { passive: true });
    addEventListener("resize", () => { scrolled(); paint(); });
    scrolled();
    // report.html#all: everything at once, for programs that look without scrolling.
    if (location.hash === "#all") places.forEach(once);
    // A link to an analysis opens it.
    const target = () => {
      const one = document.getElementById(location.hash.slice(1));
      if (one && one.tagName === "DETAILS") one.open = true;
    };
    window.addEventListener("hashchange", target);
    target();
    darkScreen.addEventListener("change", () => { again(); paint(); });
    window.addEventListener("beforeprint", () => {
      figures.print(true);
      document.querySelectorAll("details").forEach((one) => { one.open = !one.classList.contains("contents"); });
      again();
      places.forEach(once);
    });
    window.addEventListener("afterprint", () => { figures.print(false); again(); });
  }
  // After the first paint, or soon where nothing is painted (a page in the background).
  const begin = () => { if (begin.done) return; begin.done = true; start(); };
  requestAnimationFrame(() => setTimeout(begin));
  setTimeout(begin, 500);
})();
