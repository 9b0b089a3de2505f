// Quality by the depth of the reranker, and beside the cost: what a pipeline's depth is worth.
import { html, useState } from "./preact.js";
import { post } from "./api.js";
import { Grid, LETTERS, Table, frame, room, scale, ticks, time } from "./charts.js";
import { Measure, Unmeasured } from "./measured.js";


/** The cost at a depth: the line between the two depths that were timed. */
function costAt(ends, depth) {
  const known = ends.find((e) => e.depth === depth);
  if (known) return known;
  const [a, b] = ends.filter((e) => e.depth > 0);
  if (!b) return a;
  const at = (name) => Math.max(0, a[name] + ((b[name] - a[name]) * (depth - a.depth)) / (b.depth - a.depth));
  return { depth, ms: at("ms"), low: at("low"), high: at("high"), tokens: at("tokens") };
}

/** All that was measured: a point for each pipeline and depth, with its cost. */
function pointsOf(measured) {
  return measured.flatMap(({ curve, cost }, n) => [
    ...(curve.first ? [{ n, depth: 0, ...curve.first, ...named(costAt(cost.ends, 0)) }] : []),
    ...curve.points.map((p) => ({ n, ...p, ...named(costAt(cost.ends, p.depth)) })),
  ]);
}
const named = ({ ms, low, high, tokens }) => ({ ms, fastest: low, slowest: high, tokens });
const nameOf = (p) => `${LETTERS[p.n]}${p.depth ? ` at ${p.depth}` : p.of ? " without its reranker" : ""}`;

/** The points that no other beats in both cost and quality, cheapest first. */
export function front(points) {
  const out = [];
  for (const p of [...points].sort((a, b) => a.ms - b.ms || b.mean - a.mean)) if (!out.length || p.mean > out.at(-1).mean) out.push(p);
  return out;
}

export function Curves({ info, pipelines, measured, onMeasured, onScored, depth, onDepth, onPipelines }) {
  const [error, setError] = useState("");
  if (!info.index || !info.measured.length) return html`<${Unmeasured} what="Depth and cost" />`;
  const texts = pipelines.map((p) => p.trim()).filter(Boolean);
  const key = JSON.stringify(texts);
  const current = measured?.key === key ? measured.lanes : null;
  async function work(signal, say) {
    const lanes = [];
    for (const pipeline of texts) {
      say(`timing ${LETTERS[lanes.length]} …`);
      lanes.push({ curve: await post("curve", { pipeline }, signal), cost: await post("cost", { pipeline }, signal) });
    }
    onMeasured({ key, lanes });
    onScored();
  }
  const use = (n) => { // what was measured holds for the pipeline of another depth too
    const point = current[n].curve.points.reduce((a, b) => (Math.abs(b.depth - depth) < Math.abs(a.depth - depth) ? b : a));
    const now = texts.map((p, i) => (i === n ? point.pipeline : p));
    onMeasured({ key: JSON.stringify(now), lanes: current.map((l, i) => (i === n ? { ...l, curve: { ...l.curve, depth: point.depth } } : l)) });
    onPipelines(now);
  };
  return html`<section class="measured" aria-label="depth and cost">
    <div class="bar"><h2>How deep, and at what cost</h2>
      <${Measure} ids=${info.measured} pipelines=${texts} primary=${!current} onError=${setError} work=${work} label=${current ? "Measure again" : `Measure on ${info.measured.length} judged queries`} /></div>
    ${error && html`<p class="wrong" role="alert">${error}</p>`}
    ${!current && html`<p class="faint">Each search and reranker runs once on every judged query; all depths are then computed from these scores, and each pipeline is timed here.</p>`}
    ${current && html`<${Depths} lanes=${current} pipelines=${texts} depth=${depth} onDepth=${onDepth} onUse=${use} /><${Front} lanes=${current} />`}
  </section>`;
}

function Depths({ lanes, pipelines, depth, onDepth, onUse }) {
  const { width, height, left, right, top, bottom } = frame(300);
  const turning = lanes.map((l, n) => ({ ...l, n })).filter((l) => l.curve.points.length > 1);
  const level = lanes.map((l, n) => ({ ...l, n })).filter((l) => l.curve.points.length === 1);
  const every = pointsOf(lanes);
  const deep = every.filter((p) => p.depth), least = Math.min(...deep.map((p) => p.depth)), most = Math.max(...deep.map((p) => p.depth), least + 1);
  const [low, high] = room(every.map((p) => p.low), every.map((p) => p.high));
  const x = scale(least, most, left + 8, right), y = scale(low, high, bottom, top);
  const at = (l) => l.curve.points.reduce((a, b) => (Math.abs(b.depth - depth) < Math.abs(a.depth - depth) ? b : a));
  const rows = turning.flatMap((l) => [...(l.curve.first ? [[`${LETTERS[l.n]}, not reranked`, l.curve.first, 0]] : []), ...l.curve.points.map((p) => [`${LETTERS[l.n]}, ${p.depth}`, p, p.depth])]
    .map(([name, p, d]) => [name, p.mean.toFixed(4), `${p.low.toFixed(4)} to ${p.high.toFixed(4)}`, time(costAt(l.cost.ends, d).ms)]));
  if (!turning.length) return html`<p class="faint">None of the pipelines has a depth before a reranker, as <code>bm25 % 100 >> mini</code> has.</p>`;
  return html`<figure class="chart"><figcaption>nDCG@10 by the number of documents reranked <small>bands: 95 % of the mean; dashed: without the reranker</small></figcaption>
    <svg viewBox="0 0 ${width} ${height}" role="img" aria-label="nDCG@10 by depth; the numbers are in the table below">
      <${Grid} values=${ticks(low, high, 5)} y=${y} left=${left} right=${right} />
      ${ticks(least, most, 10).map((v) => html`<text class="tick" x=${x(v)} y=${bottom + 20} text-anchor="middle">${v}</text>`)}
      <text class="axis" x=${(left + right) / 2} y=${height - 6} text-anchor="middle">documents that the reranker sees</text>
      <line class="cursor" x1=${x(Math.max(depth, least))} x2=${x(Math.max(depth, least))} y1=${top} y2=${bottom} />
      ${turning.map(({ curve, n }) => html`<path class="band ${"abcd"[n]}" d="M${curve.points.map((p) => `${x(p.depth)} ${y(p.high)}`).join("L")}L${[...curve.points].reverse().map((p) => `${x(p.depth)} ${y(p.low)}`).join("L")}Z" />`)}
      ${turning.map(({ curve, n }) => html`<g class=${"abcd"[n]}>
        ${curve.first && html`<line class="curve dashed" x1=${left} x2=${right} y1=${y(curve.first.mean)} y2=${y(curve.first.mean)} />`}
        <path class="curve" d="M${curve.points.map((p) => `${x(p.depth)} ${y(p.mean)}`).join("L")}" />
        ${curve.points.map((p) => html`<circle class=${p.depth === curve.depth ? "own" : ""} cx=${x(p.depth)} cy=${y(p.mean)} r=${p.depth === curve.depth ? 6 : 3.5}><title>${LETTERS[n]} at ${p.depth}: ${p.mean.toFixed(4)}</title></circle>`)}</g>`)}
      ${level.map(({ curve, n }) => html`<line class="curve ${"abcd"[n]}" x1=${left} x2=${right} y1=${y(curve.points[0].mean)} y2=${y(curve.points[0].mean)} />`)}
    </svg>
    <label class="slider wide"><span class="what">depth</span><input type="range" min=${least} max=${most} value=${depth} aria-label="depth to read off" onInput=${(e) => onDepth(Number(e.target.value))} /><output>${depth}</output></label>
    <ul class="readout">${turning.map((l) => {
      const p = at(l), cost = costAt(l.cost.ends, p.depth), less = l.curve.first ? p.mean - l.curve.first.mean : null;
      return html`<li class=${"abcd"[l.n]}><span class="letter">${LETTERS[l.n]}</span> <span>at ${p.depth}: <b>${p.mean.toFixed(4)}</b> <span class="faint">[${p.low.toFixed(3)}, ${p.high.toFixed(3)}]</span>${less !== null ? `, ${less >= 0 ? "+" : "−"}${Math.abs(less).toFixed(4)} over no reranker` : ""}, ${time(cost.ms)}${cost.tokens ? `, ${Math.round(cost.tokens).toLocaleString()} tokens` : ""} a query</span>
        <button disabled=${p.depth === l.curve.depth} onClick=${() => onUse(l.n)}>Use ${p.depth}</button></li>`;
    })}${level.map((l) => html`<li class=${"abcd"[l.n]}><span class="letter">${LETTERS[l.n]}</span> <span><code>${pipelines[l.n]}</code>: <b>${l.curve.points[0].mean.toFixed(4)}</b>, no depth to turn</span></li>`)}</ul>
    <${Table} caption="The numbers of this chart" head=${["pipeline, depth", "nDCG@10", "95 % interval", "time a query"]} rows=${rows} /></figure>`;
}

function Front({ lanes }) {
  const { width, height, left, right, top, bottom } = frame(300);
  const [chosen, choose] = useState(null);
  const points = pointsOf(lanes).map((p) => ({ ...p, of: lanes[p.n].curve.first }));
  const best = front(points);
  const [low, high] = room(best.map((p) => p.low), best.map((p) => p.high));
  const base = points.filter((p) => p.mean >= low);
  const logs = base.flatMap((p) => [p.ms, ...(best.includes(p) ? [p.fastest, p.slowest] : [])]).map((v) => Math.log10(Math.max(v, 0.01)));
  const [x0, x1] = [Math.min(...logs) - 0.08, Math.max(...logs) + 0.12];
  const x = (ms) => scale(x0, x1, left, right)(Math.log10(Math.max(ms, 0.01))), y = scale(low, high, bottom, top);
  const marks = [-2, -1, 0, 1, 2, 3, 4, 5].flatMap((p) => [1, 2, 5].map((m) => m * 10 ** p)).filter((v) => Math.log10(v) >= x0 && Math.log10(v) <= x1);
  const stairs = best.map((p, i) => (i ? `H${x(p.ms)}V${y(p.mean)}` : `M${x(p.ms)} ${bottom}V${y(p.mean)}`)).join("") + `H${right}`;
  const taken = [];
  const labelled = best.map((p) => { // a name where no other stands
    const px = x(p.ms), py = y(p.mean);
    const spot = [[-10, -10, "end"], [10, 18, "start"], [-10, 18, "end"], [10, -10, "start"]].find(([dx, dy]) => px + dx > left + (dx < 0 ? 60 : 0) && px + dx < right - (dx > 0 ? 60 : 0) && taken.every(([tx, ty]) => Math.abs(tx - px - dx) > 60 || Math.abs(ty - py - dy) > 14));
    if (spot) taken.push([px + spot[0], py + spot[1]]);
    return { p, spot };
  });
  const p = chosen === null ? null : points[chosen];
  const say = (q) => html`<code>${q.pipeline}</code>: ${q.mean.toFixed(4)} [${q.low.toFixed(3)}, ${q.high.toFixed(3)}], ${time(q.ms)} [${time(q.fastest)}, ${time(q.slowest)}]${q.tokens ? `, ${Math.round(q.tokens).toLocaleString()} tokens` : ""} a query`;
  return html`<figure class="chart"><figcaption>nDCG@10 against the time a query takes here <small>the line: nothing is both faster and better; whiskers: 95 % of the mean, fastest and slowest of ${lanes[0].cost.probes} queries</small></figcaption>
    <svg viewBox="0 0 ${width} ${height}" role="img" aria-label="nDCG@10 against time a query; ${best.length} points are on the Pareto front, listed below">
      <${Grid} values=${ticks(low, high, 5)} y=${y} left=${left} right=${right} />
      <g class="grid">${marks.map((v) => html`<g><line x1=${x(v)} x2=${x(v)} y1=${top} y2=${bottom} /><text x=${x(v)} y=${bottom + 20} text-anchor="middle">${time(v)}</text></g>`)}</g>
      <text class="axis" x=${(left + right) / 2} y=${height - 6} text-anchor="middle">time a query, logarithmic</text>
      <path class="front" d=${stairs} />
      ${best.map((q) => html`<g class="whiskers ${"abcd"[q.n]}"><line x1=${x(q.ms)} x2=${x(q.ms)} y1=${y(q.low)} y2=${y(q.high)} /><line x1=${x(q.fastest)} x2=${x(q.slowest)} y1=${y(q.mean)} y2=${y(q.mean)} /></g>`)}
      ${base.map((q) => html`<circle class="dot-of ${"abcd"[q.n]} ${best.includes(q) ? "" : "dim"}" cx=${x(q.ms)} cy=${y(q.mean)} r=${best.includes(q) ? 6 : 4} onMouseEnter=${() => choose(points.indexOf(q))}><title>${nameOf(q)}</title></circle>`)}
      ${labelled.map(({ p: q, spot }) => spot && html`<text class="name" x=${x(q.ms) + spot[0]} y=${y(q.mean) + spot[1]} text-anchor=${spot[2]}>${LETTERS[q.n]}${q.depth ? ` ${q.depth}` : ""}</text>`)}
    </svg>
    <p class="faint readout-line">${p ? say(p) : "Points whose whiskers overlap may be equal: Queries compares two by all judged queries."}</p>
    <ol class="front-list">${best.map((q) => html`<li class=${"abcd"[q.n]}><span class="letter">${LETTERS[q.n]}</span> <span>${say(q)}</span></li>`)}</ol>
    <${Table} caption="All ${points.length} points" head=${["pipeline", "nDCG@10", "95 % interval", "time a query", "fastest to slowest", "on the front"]}
      rows=${points.map((q) => [q.pipeline, q.mean.toFixed(4), `${q.low.toFixed(4)} to ${q.high.toFixed(4)}`, time(q.ms), `${time(q.fastest)} to ${time(q.slowest)}`, best.includes(q) ? "yes" : ""])} /></figure>`;
}
