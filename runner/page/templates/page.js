// The page: plays, pauses, steps and scrubs; keeps what it has seen in bounded memory; draws it.
"use strict";

/** The most epochs of the curves that are kept, and the most embeddings. */
const MOST_EPOCHS = 4096, MOST_EMBEDDINGS = 96;
/** The longest that a window of epochs should take, and the time between two embeddings, in ms; colours of circles. */
const WINDOW_MS = 100, LOOK_MS = 250;
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/** @template {HTMLElement} T @param {string} id @returns {T} */
const byId = (id) => /** @type {T} */ (document.getElementById(id));

/** Curves of every `stride`-th epoch: when they are full every second one is dropped. */
class Curves {
  constructor() {
    this.stride = 1;
    /** @type {number[]} */ this.epochs = [];
    /** @type {Record<keyof Row, number[]>} */
    this.curves = { trainLoss: [], testLoss: [], trainAccuracy: [], testAccuracy: [] };
    /** @type {Row | null} */ this.last = null;
  }
  /** @param {number} epoch @param {Row} row */
  push(epoch, row) {
    this.last = row;
    if (epoch % this.stride !== 0) return;
    this.epochs.push(epoch);
    for (const [name, curve] of this.entries()) curve.push(row[name]);
    if (this.epochs.length < MOST_EPOCHS) return;
    this.stride *= 2;
    const kept = (/** @type {number[]} */ list) => list.filter((_, i) => i % 2 === 0);
    this.epochs = kept(this.epochs);
    for (const [name, curve] of this.entries()) this.curves[name] = kept(curve);
  }
  entries() { return /** @type {[keyof Row, number[]][]} */ (Object.entries(this.curves)); }
}

/** From when an accuracy was high, and stayed so. */
class Crossing {
  /** @param {{ accuracy: number, hold: number }} solved */
  constructor(solved) {
    this.solved = solved;
    /** @type {number | null} */ this.since = null;
    this.held = false;
  }
  /** @param {number} epoch @param {number} accuracy */
  see(epoch, accuracy) {
    if (this.held) return;
    if (accuracy >= this.solved.accuracy) this.held = epoch - (this.since ??= epoch) >= this.solved.hold;
    else this.since = null;
  }
  text() { return this.since === null ? "–" : this.since.toLocaleString("en") + (this.held ? "" : " *"); }
}

const page = /** @type {Page} */ (JSON.parse(byId("recording").textContent ?? ""));
const matrix = floatsOf(page.basis.matrix);
const recorded = {
  epochs: wordsOf(page.native.epochs), trainLoss: floatsOf(page.native.trainLoss), testLoss: floatsOf(page.native.testLoss),
  trainAccuracy: floatsOf(page.native.trainAccuracy), testAccuracy: floatsOf(page.native.testAccuracy),
};
/** @type {Embedding[]} */
const recordedEmbeddings = page.native.embeddings.map(({ epoch, rows }) => ({ epoch, rows: floatsOf(rows) }));

const state = {
  /** @type {Player | null} */ player: null,
  history: new Curves(), memorised: new Crossing(page.solved), grokked: new Crossing(page.solved),
  /** @type {Embedding[]} */ embeddings: [],
  /** which press of Play goes on @type {object | null} */ playing: null,
  /** what the device was asked last */ asked: Promise.resolve(),
  /** the epoch that is looked at; null: the latest @type {number | null} */ scrubbed: null,
  /** epochs between two embeddings that stay */ gap: 1, msAnEpoch: 0, rate: 0, dirty: true,
};
const [play, step, restart, slider] = [byId("play"), byId("step"), byId("restart"), byId("slider")].map((e) => /** @type {HTMLButtonElement & HTMLInputElement} */ (e));

/** Says a sentence at the top of the page. @param {string} text @param {"good" | "open" | "bad"} kind */
function say(text, kind) {
  byId("status").textContent = text;
  byId("status").className = `verdict ${kind}`;
}

/** Ends training with the reason on the page. @param {string} why */
function fail(why) {
  state.playing = state.player = null;
  for (const button of [play, step, restart]) button.disabled = true;
  if (state.embeddings.length === 0) state.embeddings = recordedEmbeddings;
  say(`${why} The ${state.history.last ? "faint " : ""}curves are those of the native run (${page.native.device}).`, "bad");
  refresh();
}

/** Trains some epochs and keeps what they left. @param {number} most */
async function train(most) {
  const player = /** @type {Player} */ (state.player), first = player.epoch;
  const count = Math.min(most, player.recording.window.epochs, page.epochs - first);
  const began = performance.now();
  const rows = await player.train(count);
  const ms = (performance.now() - began) / count;
  // The first epoch compiles, too: what is quicker counts at once.
  state.msAnEpoch = state.msAnEpoch ? Math.min(ms, 0.7 * state.msAnEpoch + 0.3 * ms) : ms;
  rows.forEach((row, i) => {
    state.history.push(first + i, row);
    state.memorised.see(first + i, row.trainAccuracy);
    state.grokked.see(first + i, row.testAccuracy);
  });
}

/** Keeps the embedding as it is. When there are too many embeddings, those stay that are `gap` epochs apart, and the latest. */
async function keepEmbedding() {
  const player = /** @type {Player} */ (state.player), epoch = player.epoch, rows = await player.embedding();
  const last = state.embeddings.at(-1)?.epoch ?? -Infinity, before = state.embeddings.at(-2)?.epoch ?? -Infinity;
  if (last === epoch || last - before < state.gap) state.embeddings.pop();
  state.embeddings.push({ epoch, rows });
  if (state.embeddings.length <= MOST_EMBEDDINGS) return;
  state.gap = Math.ceil((2 * epoch) / MOST_EMBEDDINGS);
  let from = -Infinity;
  state.embeddings = state.embeddings.filter((one) => one.epoch === epoch || (one.epoch - from >= state.gap && ((from = one.epoch), true)));
}

/** Asks the device for something, once it has done what it was asked before. @param {() => Promise<void>} what */
function ask(what) {
  return state.asked = state.asked.then(async () => {
    try {
      if (state.player) await what();
    } catch (error) {
      if (state.player) fail(`Training has failed: ${error instanceof Error ? error.message : error}.`);
    }
    refresh();
  });
}

function playOn() {
  const turn = state.playing = {};
  say("The model is trained here, on your device.", "good");
  state.scrubbed = null;
  refresh();
  void ask(async () => {
    let looked = performance.now(), from = state.player?.epoch ?? 0, began = looked;
    while (state.playing === turn && state.player && state.player.epoch < page.epochs) {
      await train(Math.max(1, Math.floor(WINDOW_MS / (state.msAnEpoch || WINDOW_MS))));
      const now = performance.now();
      if (now - looked > LOOK_MS && state.player) {
        await keepEmbedding();
        state.rate = (1000 * (state.player.epoch - from)) / (now - began);
        if (now - began > 4000) [from, began] = [state.player.epoch, now];
        looked = now;
      }
      refresh();
    }
    if (state.player) await keepEmbedding();
    if (state.playing === turn) state.playing = null;
  });
}

/** Norms of the components of an embedding, and the coefficients of its rows in the basis. @param {Float32Array} rows */
function spectrum(rows) {
  const p = page.basis.size, width = rows.length / p, coefficients = new Float64Array(p * width);
  for (let i = 0; i < p; i++) for (let token = 0; token < p; token++) {
    const weight = matrix[i * p + token];
    if (weight !== 0) for (let j = 0; j < width; j++) coefficients[i * width + j] += weight * rows[token * width + j];
  }
  const energy = (/** @type {number} */ from, /** @type {number} */ to) => {
    let sum = 0;
    for (let i = from * width; i < to * width; i++) sum += coefficients[i] ** 2;
    return sum;
  };
  return { coefficients, width, norms: page.basis.components.map(({ first, end }) => Math.sqrt(energy(first, end))), energy };
}

/**
 * The tokens in the plane of a component's two strongest rows: along the first one's direction in the
 * embedding, and along what the second has at right angles to it; their mean is at 0.
 * @param {Float32Array} rows @param {ReturnType<typeof spectrum>} found @param {number} component
 */
function circle(rows, { coefficients, width, energy }, component) {
  const { first, end } = page.basis.components[component];
  const order = Array.from({ length: end - first }, (_, i) => first + i);
  if (order.length > 2) order.sort((a, b) => energy(b, b + 1) - energy(a, a + 1));
  const dot = (/** @type {ArrayLike<number>} */ a, /** @type {ArrayLike<number>} */ b) => { let sum = 0; for (let j = 0; j < width; j++) sum += a[j] * b[j]; return sum; };
  const unit = (/** @type {Float64Array} */ v) => { const norm = Math.sqrt(dot(v, v)); return norm > 1e-12 ? v.map((x) => x / norm) : v.fill(0); };
  const row = (/** @type {number | undefined} */ i) => i === undefined ? new Float64Array(width) : coefficients.slice(i * width, (i + 1) * width);
  const along = unit(row(order[0])), second = row(order[1]), part = dot(second, along);
  const across = unit(second.map((x, j) => x - part * along[j]));
  const points = page.basis.inside.map((token) => {
    const place = rows.subarray(token * width, (token + 1) * width);
    return /** @type {[number, number]} */ ([dot(place, along), dot(place, across)]);
  });
  const mean = [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
  return points.map((point) => /** @type {[number, number]} */ ([point[0] - mean[0], point[1] - mean[1]]));
}

function refresh() { state.dirty = true; }

function draw() {
  requestAnimationFrame(draw);
  if (!state.dirty) return;
  state.dirty = false;
  const { history, embeddings, player } = state, done = player ? player.epoch : embeddings.at(-1)?.epoch ?? 0;
  const shown = state.scrubbed ?? done;
  const seen = embeddings.findLast((one) => one.epoch <= shown) ?? embeddings[0];
  slider.max = String(done);
  if (state.scrubbed === null) slider.value = String(done);
  slider.disabled = embeddings.length < 2;
  play.textContent = state.playing ? "Pause" : "Play";
  play.disabled = !player || (!state.playing && player.epoch >= page.epochs);
  step.disabled = !player || state.playing !== null || player.epoch >= page.epochs;
  restart.disabled = !player || state.playing !== null;
  byId("epoch").textContent = `epoch ${(seen?.epoch ?? 0).toLocaleString("en")} of ${page.epochs.toLocaleString("en")}`;
  const number = (/** @type {number} */ x) => (x >= 0.001 ? x.toPrecision(3) : x.toExponential(2));
  const { last } = history;
  const share = (/** @type {number} */ x) => `${(100 * x).toFixed(1)} %`;
  for (const [id, text] of [
    ["train-loss", last && number(last.trainLoss)], ["test-loss", last && number(last.testLoss)],
    ["train-accuracy", last && share(last.trainAccuracy)], ["test-accuracy", last && share(last.testAccuracy)],
    ["memorised", state.memorised.text()], ["grokked", state.grokked.text()],
    ["rate", state.rate && `${state.rate < 20 ? state.rate.toFixed(1) : Math.round(state.rate).toLocaleString("en")} epochs/s`],
  ]) byId(String(id)).textContent = String(text || "–");
  const [train, test] = [COLORS[0], COLORS[1]].map(shade), own = player !== null || last !== null;
  const lines = (/** @type {"Loss" | "Accuracy"} */ what) => [
    { x: recorded.epochs, y: recorded[`train${what}`], color: train, faint: own },
    { x: recorded.epochs, y: recorded[`test${what}`], color: test, faint: own },
    { x: history.epochs, y: history.curves[`train${what}`], color: train },
    { x: history.epochs, y: history.curves[`test${what}`], color: test },
  ];
  const marks = [["memorised", state.memorised], ["grokked", state.grokked]].flatMap(([label, crossing]) =>
    crossing instanceof Crossing && crossing.held && crossing.since !== null ? [{ x: crossing.since, label: String(label) }] : []);
  const cursor = state.scrubbed === null ? null : seen?.epoch ?? null;
  for (const [id, what, log] of /** @type {const} */ ([["losses", "Loss", true], ["accuracies", "Accuracy", false]]))
    drawLines(byId(id), { lines: lines(what), most: page.epochs, log, marks, cursor });
  if (!seen) return;
  const found = spectrum(seen.rows);
  const strongest = found.norms.map((norm, i) => ({ norm, i })).filter(({ i }) => page.basis.components[i].end - page.basis.components[i].first > 1)
    .sort((a, b) => b.norm - a.norm).slice(0, COLORS.length).sort((a, b) => a.i - b.i);
  const strong = new Map(strongest.map(({ i }, place) => [i, shade(COLORS[place])]));
  drawBars(byId("spectrum"), { values: found.norms, names: page.basis.components.map(({ name }) => name), strong });
  const circles = strongest.map(({ i }) => ({ i, points: circle(seen.rows, found, i) }));
  const radius = Math.max(1e-9, ...circles.flatMap(({ points }) => points.map(([x, y]) => Math.hypot(x, y))));
  COLORS.forEach((_, place) => {
    const one = circles[place], element = /** @type {HTMLCanvasElement} */ (byId(`circle-${place}`));
    element.hidden = !one;
    if (one) drawCircle(element, { points: one.points, radius, title: page.basis.components[one.i].name, color: strong.get(one.i) ?? "" });
  });
}

/** On a dark page the blue is too dark: its lighter neighbour takes its place. @param {string} color */
function shade(color) {
  return color === COLORS[0] && window.matchMedia("(prefers-color-scheme: dark)").matches ? "#56b4e9" : color;
}

play.onclick = () => (state.playing ? void (state.playing = null) : playOn());
step.onclick = () => ask(async () => { state.scrubbed = null; await train(1); await keepEmbedding(); });
restart.onclick = () => ask(async () => {
  await state.player?.restart();
  Object.assign(state, { history: new Curves(), memorised: new Crossing(page.solved), grokked: new Crossing(page.solved), embeddings: [], gap: 1, scrubbed: null, rate: 0 });
  await keepEmbedding();
});
slider.oninput = () => { [state.scrubbed, state.dirty] = [+slider.value >= +slider.max ? null : +slider.value, true]; };
window.onresize = refresh;
window.matchMedia("(prefers-color-scheme: dark)").onchange = refresh;

async function start() {
  if (!navigator.gpu) return fail("This browser offers no WebGPU here, so the model cannot be trained on this page; Chrome, Edge, Safari and Firefox have it in their latest versions.");
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) return fail("This browser has WebGPU, but finds no device for it, so the model cannot be trained on this page.");
  const device = await adapter.requestDevice();
  const { vendor, architecture, device: model, description, isFallbackAdapter } = adapter.info;
  const name = [...new Set([description, vendor, architecture, model])].filter(Boolean).join(", ") || "not named by the browser";
  byId("device").textContent = name + (isFallbackAdapter ? " (software)" : "");
  void device.lost.then(({ reason, message }) => fail(`The device was lost (${reason}): ${message}`));
  device.onuncapturederror = ({ error }) => fail(`The device has refused something: ${error.message}`);
  state.player = await Player.open(isFallbackAdapter ? page.software : page.gpu, device);
  await ask(keepEmbedding);
  if (state.player) say("Ready: Play trains the model here, on your device.", "good");
}

draw();
start().catch((error) => fail(`The model cannot be loaded onto the device: ${error instanceof Error ? error.message : error}.`));
