// A spectrum with the ions of a peptide, and of another one below it, as a mirror.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./preact.js";
import { post } from "./api.js";
import { Table, ticks } from "./charts.js";

const HIGH = 130, LINE = 52, STEP = 25, MOST = 120;
const LEFT = 8;

/** The width in pixels of what `box` refers to: a chart of that width has letters of the page's size. */
function useWidth(box) {
  const [width, set] = useState(340);
  useLayoutEffect(() => {
    const watch = new ResizeObserver(([entry]) => set(Math.max(240, Math.round(entry.contentRect.width))));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  return width;
}

/** How a sequence is broken into lines: places of its residues, and the height that it takes. */
function layout(side, width) {
  const indent = LEFT + 12 + (side.ends[0] ? 9 + 7 * side.ends[0].length : 0);
  const line = Math.max(4, Math.floor((width - indent - 8 - (side.ends[1] ? 7 * side.ends[1].length : 0)) / STEP));
  const shown = side.residues.slice(0, MOST);
  const place = (i) => [indent + (i % line) * STEP, 36 + Math.floor(i / line) * LINE];
  return { shown, place, height: 50 + LINE * Math.floor((shown.length - 1) / line) };
}

function Sequence({ side, lines, top }) {
  const { shown, place } = lines;
  const [x0, y0] = place(0), [x1, y1] = place(shown.length - 1), rest = side.residues.length - shown.length;
  return html`<g class="sequence" transform="translate(0 ${top})">
    ${side.ends[0] && html`<text class="mass" x=${x0 - 11} y=${y0 - 2} text-anchor="end">${side.ends[0]}-</text>`}
    ${shown.map(([letter, mass], i) => {
      const [x, y] = place(i);
      return html`<g><text class="residue" x=${x} y=${y} text-anchor="middle">${letter}</text>
        ${mass && html`<text class="mass ${mass.length > 3 ? "long" : ""}" x=${x} y=${y - 22} text-anchor="middle">${mass}</text>`}
        ${side.y[i] && html`<path class="yion" d="M${x + STEP / 2} ${y - 5}v-13h6" />`}
        ${side.b[i] && html`<path class="bion" d="M${x + STEP / 2} ${y - 5}v13h-6" />`}</g>`;
    })}
    ${(rest > 0 || side.ends[1]) && html`<text class="mass" x=${x1 + 9} y=${y1 - 2}>${rest > 0 ? `… ${rest} more` : `-${side.ends[1]}`}</text>`}</g>`;
}

function Side({ peaks, side, x, middle, up, right }) {
  const named = [];
  const order = peaks.map((p, i) => i).sort((a, b) => peaks[a][1] - peaks[b][1]);
  const labels = [...order].reverse().filter((i) => side.ions[i] && named.every((at) => Math.abs(at - x(peaks[i][0])) > 24) && named.push(x(peaks[i][0])));
  const label = (i) => Math.min(x(peaks[i][0]), right - 10);
  return html`<g>${order.map((i) => {
    const [mz, height] = peaks[i], name = side.ions[i] || "", h = Math.max(1, HIGH * height);
    return html`<rect class=${name ? `${name[0]}ion` : ""} x=${x(mz) - (name ? 1 : 0.6)} width=${name ? 2 : 1.2} y=${up ? middle - h : middle} height=${h}><title>${name ? `${name}, ` : ""}m/z ${mz}, ${Math.round(100 * height)} %</title></rect>`;
  })}${labels.map((i) => html`<text class="ion" x=${label(i)} y=${up ? middle - HIGH * peaks[i][1] - 5 : middle + HIGH * peaks[i][1] + 13} text-anchor="middle">${side.ions[i]}</text>`)}</g>`;
}

function Drawing({ drawn }) {
  const box = useRef(), width = useWidth(box), right = width - 8;
  const [above, below] = drawn.peptides;
  const high = Math.max(100, ...drawn.peaks.map((p) => p[0])), x = (mz) => LEFT + ((right - LEFT) * mz) / (1.02 * high);
  const lines = layout(above, width), under = below && layout(below, width);
  const middle = lines.height + 18 + HIGH, sequence = middle + HIGH + 16;
  const bottom = below ? sequence + under.height + 14 : middle + 16;
  const marks = ticks(0, high, Math.max(3, Math.floor(width / 75))).filter((v) => x(v) < right - 42);
  return html`<div ref=${box}><svg viewBox="0 0 ${width} ${bottom + 6}" role="img" aria-label="Spectrum with the ions of ${above.sequence}${below ? ` and ${below.sequence}` : ""}; the matched peaks are in the table below">
    <line class="base" x1=${LEFT} x2=${right} y1=${middle} y2=${middle} />
    <${Sequence} side=${above} lines=${lines} top=${0} /><${Side} peaks=${drawn.peaks} side=${above} x=${x} middle=${middle} up=${true} right=${right} />
    ${below && html`<${Side} peaks=${drawn.peaks} side=${below} x=${x} middle=${middle} right=${right} /><${Sequence} side=${below} lines=${under} top=${sequence} />`}
    ${!drawn.peaks.length && html`<text x=${width / 2} y=${middle - HIGH / 2} text-anchor="middle">no peaks from m/z 50 to 4,500</text>`}
    ${marks.map((v) => html`<text class="tick" x=${x(v)} y=${bottom} text-anchor=${v ? "middle" : "start"}>${v}</text>`)}
    <text class="tick" x=${right} y=${bottom} text-anchor="end">m/z</text>
  </svg></div>`;
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
  const says = (s) => `${Math.round(100 * s.bonds)} % of the bonds seen, ${Math.round(100 * s.explained)} % of the intensity explained, ${s.mass >= 0 ? "+" : "−"}${Math.abs(s.mass).toFixed(3)} Da from the precursor`;
  const rows = drawn.peaks.map(([mz, height], i) => [mz, `${Math.round(100 * height)} %`, ...drawn.peptides.map((s) => s.ions[i] || "")]).filter((row) => row.slice(2).some(Boolean));
  return html`<figure class="chart spectrum"><figcaption>Spectrum <small>m/z ${drawn.precursor.toFixed(4)}, charge ${drawn.charge}; <span class="key yion">y ions</span> <span class="key bion">b ions</span></small>
      <label><small>tolerance</small> <select aria-label="tolerance of ions" value=${tolerance} onChange=${(e) => setTolerance(e.target.value)}>${["10ppm", "20ppm", "50ppm", "0.5Da"].map((t) => html`<option value=${t}>${t}</option>`)}</select></label></figcaption>
    <${Drawing} drawn=${drawn} />
    <p class="faint">${below ? "above " : ""}<bdi>${above.sequence}</bdi>: ${says(above)}</p>
    ${below && html`<p class="faint">below <bdi>${below.sequence}</bdi>: ${says(below)}</p>`}
    ${drawn.truth && html`<p class="faint">annotated as <bdi>${drawn.truth}</bdi></p>`}
    ${rows.length > 0 && html`<${Table} caption="${rows.length} matched ${rows.length > 1 ? "peaks" : "peak"}" head=${["m/z", "height (root)", ...(below ? ["above", "below"] : ["ion"])]} rows=${rows} />`}</figure>`;
}
