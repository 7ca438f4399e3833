"use strict";
// Puts together what the server tells of a run (events.rs), and draws it with the report's figures.
// Nothing that comes from a run is ever markup: it is set as text.
(() => {
  const { darkScreen, bar, shaded, themed } = figures;
  const at = (id) => document.getElementById(id);
  const text = (id, words) => { if (at(id).textContent !== words) at(id).textContent = words; };
  // No word for so long means that the server, or the way to it, is gone.
  const SILENCE = 15000;
  // Where the server refuses, since too many pages look, it is asked again after so long.
  const REFUSED = 3000;

  // Figures: what is drawn in each, drawn when the screen is ready for it.
  const drawn = new Map(), waiting = new Set();
  function draw(place, data, layout) {
    drawn.set(place, { data, layout });
    if (waiting.size === 0) requestAnimationFrame(() => {
      const due = [...waiting];
      waiting.clear();
      due.forEach(paint);
    });
    waiting.add(place);
  }
  function paint(place) {
    const { data, layout } = drawn.get(place);
    try {
      // Zooming in stays as it is while points are added.
      const whole = { ...themed(layout, data, place), uirevision: place.id };
      Plotly.react(place, data.map(shaded), whole, bar);
      place.dataset.drawn = "yes";
      place.dataset.drawings = Number(place.dataset.drawings || 0) + 1;
    } catch (error) {
      place.textContent = "This figure cannot be drawn: " + error.message;
      place.dataset.drawn = "failed";
    }
  }
  const fitted = new ResizeObserver((entries) => {
    for (const { target } of entries) if (target.dataset.drawn === "yes" && target.clientWidth) Plotly.Plots.resize(target);
  });
  ["loss", "accuracy", "spectrum"].forEach((id) => fitted.observe(at(id)));
  darkScreen.addEventListener("change", () => { for (const place of drawn.keys()) if (place.isConnected) paint(place); });

  // The run.
  let run = null;
  function tellOfRun(now) {
    run = now;
    text("name", now.name);
    text("heading", now.heading);
    document.title = now.heading + " · " + now.state;
    at("words").className = "verdict " + now.class;
    text("words", now.words);
    // The cell says it, with its numbers.
    at("words").hidden = now.cells === 1 && now.state === "training";
    document.body.dataset.state = now.state;
    at("problem").hidden = !now.problem;
    text("problem", now.problem || "");
    at("report").hidden = !now.report;
    at("cells").hidden = !(now.cells > 1);
    at("facts").replaceChildren(...now.facts.map(([name, value]) => {
      const one = document.createElement("div");
      one.append(element("dt", name), element("dd", value));
      return one;
    }));
    tellOfProgress();
  }
  function element(name, words, className) {
    const one = document.createElement(name);
    if (words !== undefined) one.textContent = words;
    if (className) one.className = className;
    return one;
  }

  // The cells.
  const cells = new Map();
  let chosen = null, shown = null;
  const epochs = (n) => n.toLocaleString("en-US");
  function tellOfCells(now) {
    if (now.all) { cells.clear(); at("rows").replaceChildren(); }
    for (const cell of now.rows) {
      const known = cells.get(cell.place);
      const row = known ? known.row : element("tr");
      if (!known) at("rows").append(row);
      cells.set(cell.place, { ...cell, row });
      const name = element("button", cell.id);
      name.type = "button";
      name.addEventListener("click", () => choose(cell.place));
      const share = element("span", undefined, "meter");
      share.append(element("span"));
      share.firstChild.style.width = 100 * Math.min(1, cell.trained / Math.max(1, cell.epochs)) + "%";
      const inside = [name, cell.stale ? cell.state + ", no epochs for " + cell.stale : cell.state,
        epochs(cell.trained), share, cell.train_loss || "", cell.test_loss || "", cell.test_accuracy || "", curve(cell.small), cell.memorised, cell.grokked];
      row.replaceChildren(...inside.map((one) => { const td = element("td"); td.append(one); return td; }));
      if (cell.flaw) row.title = cell.flaw;
    }
    at("more").hidden = !now.more;
    text("more", now.more ? epochs(now.more) + " more cells have no row here; grokrun status counts them all." : "");
    mark();
    tellOfProgress();
  }
  // A small curve of shares between 0 and 1.
  function curve(values) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg"), path = document.createElementNS(space, "path");
    svg.setAttribute("class", "small-curve");
    svg.setAttribute("viewBox", "0 0 100 20");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    const step = 100 / Math.max(1, values.length - 1);
    let down = false;
    const points = values.map((y, i) => {
      if (y === null) { down = false; return ""; }
      const point = (down ? "L" : "M") + (i * step).toFixed(1) + " " + (19 - 18 * y).toFixed(1);
      down = true;
      return point;
    });
    path.setAttribute("d", points.join("") || "M0 19");
    svg.append(path);
    return svg;
  }
  function mark() {
    for (const [place, { row }] of cells) if (place === shown) row.setAttribute("aria-current", "true"); else row.removeAttribute("aria-current");
  }
  function choose(place) {
    chosen = place;
    connect();
  }
  function tellOfProgress() {
    const cell = cells.get(shown);
    if (!cell) return;
    at("bar").max = Math.max(1, cell.epochs);
    at("bar").value = cell.trained;
    const words = [cell.state, epochs(cell.trained) + " of " + epochs(cell.epochs) + " epochs"];
    if (cell.pace) words.push(cell.pace + " epochs/s");
    if (cell.left) words.push(cell.left + " left");
    if (cell.stale) words.push("no new epochs for " + cell.stale);
    if (cell.test_accuracy) words.push("test accuracy " + cell.test_accuracy);
    text("pace", words.join(" · "));
  }

  // The curves of the cell that is shown: points come once each, after those that are here already.
  let points = { x: [], y: [[], [], [], []] };
  function tellOfCurve(now) {
    // A cell that waits has no weights yet, and those of the one before are not its.
    if (now.cell !== shown) at("embedding").hidden = true;
    shown = now.cell;
    at("shown").hidden = false;
    if (now.from === 0) points = { x: [], y: [[], [], [], []] };
    points.x = points.x.slice(0, now.from).concat(now.x);
    points.y = points.y.map((one, i) => one.slice(0, now.from).concat(now.y[i]));
    text("cell", now.id);
    text("verdict", now.verdict);
    at("verdict").className = "verdict " + now.class;
    at("flaw").hidden = !now.flaw;
    text("flaw", now.flaw || "");
    ["loss", "accuracy"].forEach((id, half) => {
      const figure = now.figures[half];
      const data = figure.data.map((one, i) => ({ ...one, x: points.x, y: points.y[2 * half + i] }));
      draw(at(id), data, figure.layout);
    });
    at("phases").replaceChildren(...now.phases.map((phase) => {
      const one = element("li");
      one.append(element("span", undefined, "swatch phase-" + phase.color), element("b", phase.name), " " + phase.epochs, element("span", phase.rule, "rule"));
      return one;
    }));
    mark();
    tellOfProgress();
  }

  // The embedding: the spectrum and the circles of the newest checkpoint.
  function tellOfEmbedding(now) {
    at("embedding").hidden = false;
    text("note", now.note);
    const [spectrum, ...circles] = now.figures;
    at("spectrum-card").hidden = !spectrum;
    if (spectrum) draw(at("spectrum"), spectrum.data, spectrum.layout);
    const places = at("circles");
    while (places.children.length > circles.length) { fitted.unobserve(places.lastChild.querySelector(".figure")); places.lastChild.remove(); }
    circles.forEach((figure, i) => {
      if (!places.children[i]) {
        const card = element("figure", undefined, "card"), place = element("div", undefined, "figure");
        place.id = "circle-" + i;
        place.setAttribute("role", "img");
        card.append(element("figcaption"), place);
        places.append(card);
        fitted.observe(place);
      }
      const card = places.children[i], title = figure.layout.title.text;
      card.querySelector("figcaption").textContent = title;
      card.querySelector(".figure").setAttribute("aria-label", title);
      const data = figure.data.map((one) => ({ ...one, marker: { ...one.marker, showscale: false } }));
      // Both axes go equally far, so that a circle is round.
      const far = 1.1 * data[0].x.concat(data[0].y).reduce((most, x) => Math.max(most, Math.abs(x)), 1e-9);
      const layout = { ...figure.layout, xaxis: { ...figure.layout.xaxis, range: [-far, far] }, yaxis: { ...figure.layout.yaxis, range: [-far, far], scaleanchor: "x" } };
      draw(card.querySelector(".figure"), data, layout);
    });
  }

  // The end of the log; it stays at its end while nobody has scrolled away from there.
  const MOST_LINES = 200;
  function tellOfLog(now) {
    const log = at("log"), atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
    for (const line of now.lines) {
      const one = element("div", undefined, line.level.toLowerCase());
      one.append(element("span", line.at.slice(11, 19), "at"), " " + line.text);
      log.append(one);
    }
    while (log.childElementCount > MOST_LINES) log.firstChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  // The way to the server. The browser connects again by itself; where it hears nothing at all it is
  // told to.
  let source = null, heard = Date.now(), ended = false;
  function link(words, className) {
    at("link").className = "link " + className;
    text("link", words);
  }
  function connect() {
    if (source) source.close();
    source = new EventSource("/events" + (chosen === null ? "" : "?cell=" + chosen));
    const hear = (name, tell) => source.addEventListener(name, (event) => {
      heard = Date.now();
      if (!ended) link("live", "");
      tell(JSON.parse(event.data));
    });
    // A connection begins with all that is known.
    source.addEventListener("open", () => { heard = Date.now(); ended = false; at("log").replaceChildren(); });
    source.addEventListener("error", () => { if (!ended) link("connection lost, trying again", "lost"); });
    hear("run", tellOfRun);
    hear("cells", tellOfCells);
    hear("curve", tellOfCurve);
    hear("embedding", tellOfEmbedding);
    hear("log", tellOfLog);
    hear("beat", () => {});
    hear("closing", () => {
      ended = true;
      link("grokrun has ended; this is what it saw last", "ended");
    });
  }
  setInterval(() => {
    if (source.readyState === EventSource.CONNECTING) return;
    const patience = source.readyState === EventSource.CLOSED ? REFUSED : SILENCE;
    if (Date.now() - heard < patience) return;
    heard = Date.now();
    link("connection lost, trying again", "lost");
    connect();
  }, 1000);
  connect();
})();
