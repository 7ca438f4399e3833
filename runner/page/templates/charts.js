// Draws lines, bars and circles on canvases, in the colours of the page.
"use strict";

/** @param {HTMLCanvasElement} element @returns {Surface} */
function canvas(element) {
  const ratio = window.devicePixelRatio || 1, width = element.clientWidth, height = element.clientHeight;
  if (element.width !== Math.round(width * ratio) || element.height !== Math.round(height * ratio)) {
    element.width = Math.round(width * ratio);
    element.height = Math.round(height * ratio);
  }
  const ctx = /** @type {CanvasRenderingContext2D} */ (element.getContext("2d"));
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  ctx.font = "12px system-ui, sans-serif";
  const style = getComputedStyle(document.documentElement);
  const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  return { ctx, width, height, soft: color("--soft"), line: color("--line"), link: color("--link") };
}

/** Round numbers from 0 on, some six of them up to `most`. @param {number} most */
function ticks(most) {
  const rough = most / 6, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? most;
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, i) => i * step);
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
/** @param {number} power */
const tenTo = (power) => "10" + (power < 0 ? "⁻" : "") + [...String(Math.abs(power))].map((d) => SUPERSCRIPTS[+d]).join("");

/**
 * Lines over epochs; `log` for powers of ten, else shares from 0 to 1. @param {HTMLCanvasElement} element
 * @param {{ lines: Line[], most: number, log: boolean, marks: Mark[], cursor: number | null }} what
 */
function drawLines(element, { lines, most, log, marks, cursor }) {
  const { ctx, width, height, soft, line, link } = canvas(element);
  const left = 46, right = width - 12, top = 18, bottom = height - 22;
  let low = 0, high = log ? -Infinity : 1;
  if (log) {
    low = Infinity;
    for (const { y } of lines) for (let i = 0; i < y.length; i++) if (y[i] > 0 && Number.isFinite(y[i])) [low, high] = [Math.min(low, y[i]), Math.max(high, y[i])];
    [low, high] = high > 0 ? [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high) + 1e-9)] : [-1, 1];
  }
  const px = (/** @type {number} */ x) => left + ((right - left) * x) / most;
  const py = (/** @type {number} */ y) => bottom - ((bottom - top) * ((log ? Math.log10(y) : y) - low)) / (high - low);
  ctx.strokeStyle = line;
  ctx.fillStyle = soft;
  ctx.lineWidth = 1;
  const rule = (/** @type {number[]} */ ...at) => { ctx.beginPath(); ctx.moveTo(at[0], at[1]); ctx.lineTo(at[2], at[3]); ctx.stroke(); };
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  const step = log ? Math.ceil((high - low) / 7) : 0.25;
  for (let at = low; at <= high + 1e-9; at += step) {
    const y = bottom - ((bottom - top) * (at - low)) / (high - low);
    rule(left, y, right, y);
    ctx.fillText(log ? tenTo(at) : `${Math.round(100 * at)} %`, left - 6, y);
  }
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  for (const at of ticks(most)) ctx.fillText(at.toLocaleString("en"), Math.min(px(at), right - 12), bottom + 6);
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top - 2, right - left + 2, bottom - top + 4);
  ctx.clip();
  for (const { x, y, color, faint } of lines) {
    ctx.strokeStyle = color;
    ctx.globalAlpha = faint ? 0.55 : 1;
    ctx.lineWidth = faint ? 1 : 1.8;
    ctx.beginPath();
    let open = false;
    for (let i = 0; i < x.length; i++) {
      const drawn = Number.isFinite(y[i]) && (!log || y[i] > 0);
      if (drawn) open ? ctx.lineTo(px(x[i]), py(y[i])) : ctx.moveTo(px(x[i]), py(y[i]));
      open = drawn;
    }
    ctx.stroke();
  }
  ctx.restore();
  ctx.textBaseline = "bottom";
  for (const { x, label } of marks) {
    ctx.strokeStyle = ctx.fillStyle = soft;
    ctx.setLineDash([2, 3]);
    rule(px(x), top, px(x), bottom);
    ctx.setLineDash([]);
    ctx.textAlign = px(x) > (left + right) / 2 ? "right" : "left";
    ctx.fillText(label, px(x), top - 2);
  }
  if (cursor !== null) {
    ctx.strokeStyle = link;
    ctx.lineWidth = 1.5;
    rule(px(cursor), top, px(cursor), bottom);
  }
}

/**
 * A bar a component; those in `strong` in their colours, with their names. @param {HTMLCanvasElement} element
 * @param {{ values: number[], names: string[], strong: Map<number, string> }} what
 */
function drawBars(element, { values, names, strong }) {
  const { ctx, width, height, soft, line } = canvas(element);
  const left = 46, right = width - 12, top = 18, bottom = height - 22;
  const most = Math.max(...values, 1e-9), each = (right - left) / values.length;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const at of ticks(most)) {
    const y = bottom - ((bottom - top) * at) / most;
    ctx.fillStyle = soft;
    ctx.fillText(String(+at.toPrecision(3)), left - 6, y);
    ctx.fillStyle = line;
    ctx.fillRect(left, y, right - left, 1);
  }
  ctx.textAlign = "center";
  values.forEach((value, i) => {
    const x = left + i * each, y = bottom - ((bottom - top) * value) / most;
    ctx.fillStyle = strong.get(i) ?? soft;
    ctx.globalAlpha = strong.has(i) ? 1 : 0.55;
    ctx.fillRect(x + 0.1 * each, y, Math.max(0.8 * each, 1), bottom - y);
    ctx.globalAlpha = 1;
    ctx.textBaseline = "top";
    const every = Math.ceil((values.length * 7 * Math.max(...names.map((name) => name.length), 2)) / (right - left));
    if (strong.has(i)) {
      ctx.textBaseline = "bottom";
      ctx.fillText(names[i], x + each / 2, y - 2);
    } else if ((i + 1) % every === 0 || every === 1) {
      ctx.fillStyle = soft;
      ctx.fillText(names[i], x + each / 2, bottom + 6);
    }
  });
}

/**
 * Tokens in a plane, with hues by their order in the group. @param {HTMLCanvasElement} element
 * @param {{ points: [number, number][], radius: number, title: string, color: string }} what
 */
function drawCircle(element, { points, radius, title, color }) {
  const { ctx, width, height, line } = canvas(element);
  const size = Math.min(width, height - 18) / 2 - 6, x0 = width / 2, y0 = 18 + (height - 18) / 2;
  ctx.fillStyle = color;
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  ctx.fillText(title, x0, 0);
  ctx.fillStyle = line;
  ctx.fillRect(x0 - size, y0, 2 * size, 1);
  ctx.fillRect(x0, y0 - size, 1, 2 * size);
  points.forEach((point, i) => {
    const [x, y] = [x0 + (size * point[0]) / radius, y0 - (size * point[1]) / radius];
    ctx.fillStyle = `hsl(${(360 * i) / points.length} 70% 55%)`;
    ctx.beginPath();
    ctx.arc(x, y, points.length > 200 ? 1.5 : 3, 0, 7);
    ctx.fill();
  });
}
