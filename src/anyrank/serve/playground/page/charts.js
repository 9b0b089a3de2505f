// What charts share: scales, ticks, the bands of intervals, and a table that says the same.
import { html } from "./preact.js";

export const LETTERS = "ABCD";

/** The frame of a chart: narrower on small screens, so that its words stay readable. */
export function frame(height) {
  const width = window.innerWidth < 700 ? 380 : 720;
  return { width, height, left: 50, right: width - 14, top: 14, bottom: height - 44 };
}

/** Round numbers between two ends, about `count` of them. */
export function ticks(low, high, count = 5) {
  const raw = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw - 1e-12);
  const out = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + 1e-9; v += step) out.push(Number(v.toPrecision(6)));
  return out;
}

/** A scale from values to pixels. */
export const scale = (low, high, start, end) => (v) => start + ((end - start) * (v - low)) / (high - low || 1);

export const time = (ms) => (ms >= 10000 ? `${Math.round(ms / 1000)} s` : ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : ms >= 10 ? `${Math.round(ms)} ms` : `${Number(ms.toPrecision(2))} ms`);

/** The ends of an axis that hold some intervals with a little room. */
export function room(lows, highs) {
  const low = Math.min(...lows), high = Math.max(...highs), pad = Math.max(0.06 * (high - low), 0.005);
  return [Math.max(0, low - pad), high + pad];
}

/** Lines and numbers of the left axis. */
export const Grid = ({ values, y, left, right, format = String }) => html`<g class="grid">${values.map((v) => html`<g>
  <line x1=${left} x2=${right} y1=${y(v)} y2=${y(v)} /><text x=${left - 8} y=${y(v) + 4} text-anchor="end">${format(v)}</text></g>`)}</g>`;

/** The numbers of a chart, for those who don't see it and those who want them. */
export const Table = ({ caption, head, rows }) => html`<details class="numbers"><summary>${caption}</summary><div class="sideways" tabindex="0" role="region" aria-label=${caption}><table>
  <thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
  <tbody>${rows.map((row) => html`<tr>${row.map((cell, i) => (i ? html`<td>${cell}</td>` : html`<th scope="row">${cell}</th>`))}</tr>`)}</tbody></table></div></details>`;
