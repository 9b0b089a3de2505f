// A spectrum with the ions of a peptide, and of another one below it, as a mirror.
import { html, useEffect, useState } from "./preact.js";
import { post } from "./api.js";
import { Table, ticks } from "./charts.js";

const WIDTH = 560, LEFT = 10, RIGHT = WIDTH - 10, HIGH = 130, ROOM = 62;

function Sequence({ side, y }) {
  const step = Math.min(26, (RIGHT - LEFT - 60) / Math.max(side.residues.length, 1));
  const start = LEFT + 20;
  return html`<g class="sequence">${side.residues.map(([letter, mass], i) => html`<g>
    <text class="residue" x=${start + i * step} y=${y} text-anchor="middle">${letter}</text>
    ${mass && html`<text class="mass" x=${start + i * step} y=${y - 23} text-anchor="middle">${mass}</text>`}
    ${side.y[i] && html`<path class="yion" d="M${start + (i + 0.5) * step} ${y - 5}v-13h6" />`}
    ${side.b[i] && html`<path class="bion" d="M${start + (i + 0.5) * step} ${y - 5}v13h-6" />`}</g>`)}</g>`;
}

function Side({ peaks, side, x, middle, up }) {
  const named = [];
  const order = peaks.map((p, i) => i).sort((a, b) => peaks[a][1] - peaks[b][1]);
  const labels = [...order].reverse().filter((i) => side.ions[i] && named.every((at) => Math.abs(at - x(peaks[i][0])) > 22) && named.push(x(peaks[i][0])));
  return html`<g>${order.map((i) => {
    const [mz, height] = peaks[i], name = side.ions[i] || "", h = Math.max(1, HIGH * height);
    return html`<rect class=${name ? `${name[0]}ion` : ""} x=${x(mz) - 1} width=${name ? 2.4 : 1.4} y=${up ? middle - h : middle} height=${h}><title>${name ? `${name}, ` : ""}m/z ${mz}, ${Math.round(100 * height)} %</title></rect>`;
  })}${labels.map((i) => html`<text class="ion" x=${x(peaks[i][0])} y=${up ? middle - HIGH * peaks[i][1] - 5 : middle + HIGH * peaks[i][1] + 14} text-anchor="middle">${side.ions[i]}</text>`)}</g>`;
}

export function Spectrum({ spectrum, ids }) {
  const [drawn, set] = useState(null);
  const [error, setError] = useState("");
  const [tolerance, setTolerance] = useState("20ppm");
  const wanted = JSON.stringify([spectrum, ids, tolerance]);
  useEffect(() => {
    let live = true;
    setError("");
    post("spectrum", { spectrum, ids, tolerance }).then((v) => live && set(v), (e) => live && setError(e.message));
    return () => { live = false; };
  }, [wanted]);
  if (error) return html`<p class="wrong">${error}</p>`;
  if (!drawn) return html`<p class="faint">drawing …</p>`;
  const [above, below] = drawn.peptides;
  const high = Math.max(100, ...drawn.peaks.map((p) => p[0])), x = (mz) => LEFT + ((RIGHT - LEFT) * mz) / (1.02 * high);
  const middle = ROOM + HIGH + 16, bottom = below ? middle + HIGH + ROOM + 16 : middle + 16;
  const says = (s) => `${Math.round(100 * s.bonds)} % of the bonds seen, ${Math.round(100 * s.explained)} % of the intensity explained, ${s.mass >= 0 ? "+" : "−"}${Math.abs(s.mass).toFixed(3)} Da from the precursor`;
  const rows = drawn.peaks.map(([mz, height], i) => [mz, `${Math.round(100 * height)} %`, ...drawn.peptides.map((s) => s.ions[i] || "")]).filter((row) => row.slice(2).some(Boolean));
  return html`<figure class="chart spectrum"><figcaption>Spectrum <small>m/z ${drawn.precursor.toFixed(4)}, charge ${drawn.charge}; <span class="key yion">y ions</span> <span class="key bion">b ions</span></small>
      <select aria-label="tolerance of ions" value=${tolerance} onChange=${(e) => setTolerance(e.target.value)}>${["10ppm", "20ppm", "50ppm", "0.5Da"].map((t) => html`<option value=${t}>${t}</option>`)}</select></figcaption>
    <svg viewBox="0 0 ${WIDTH} ${bottom + 6}" role="img" aria-label="Spectrum with the ions of ${above.sequence}${below ? ` and ${below.sequence}` : ""}; the matched peaks are in the table below">
      <line class="base" x1=${LEFT} x2=${RIGHT} y1=${middle} y2=${middle} />
      <${Sequence} side=${above} y=${36} /><${Side} peaks=${drawn.peaks} side=${above} x=${x} middle=${middle} up=${true} />
      ${below && html`<${Side} peaks=${drawn.peaks} side=${below} x=${x} middle=${middle} /><${Sequence} side=${below} y=${middle + HIGH + 50} />`}
      ${ticks(0, high, 8).map((v) => html`<text class="tick" x=${x(v)} y=${bottom} text-anchor="middle">${v}</text>`)}
    </svg>
    <p class="faint">${below ? "above " : ""}<bdi>${above.sequence}</bdi>: ${says(above)}</p>
    ${below && html`<p class="faint">below <bdi>${below.sequence}</bdi>: ${says(below)}</p>`}
    ${drawn.truth && html`<p class="faint">annotated as <bdi>${drawn.truth}</bdi></p>`}
    <${Table} caption="${rows.length} matched peaks" head=${["m/z", "height (root)", ...drawn.peptides.map((s) => s.sequence)]} rows=${rows} /></figure>`;
}
