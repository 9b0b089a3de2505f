// Where a list may end: a slider over promises, with what each keeps and misses, from judged queries.
import { html, useEffect, useState } from "./preact.js";
import { post } from "./api.js";
import { download } from "./documents.js";
import { Grid, LETTERS, Table, frame, scale, ticks } from "./charts.js";
import { Measure, Unmeasured } from "./measured.js";

const KINDS = {
  recall: { name: "Recall", missed: "of the relevant documents are cut", head: "relevant cut" },
  any: { name: "Any", missed: "of the queries lose all they have", head: "queries that lose all" },
  precision: { name: "Precision", missed: "of what is kept is not relevant", head: "kept, not relevant" },
};
const percent = (x, digits = 1) => `${(100 * x).toFixed(digits)} %`;

export function Cutoff({ info, pipelines, cutoffs, onCutoffs, onScored, cut, onCut }) {
  const [error, setError] = useState("");
  const [unscored, setUnscored] = useState("");
  const texts = new Map(info.queries.map((q) => [q.id, q.text]));
  const n = Math.min(cut.lane, pipelines.length - 1), pipeline = pipelines[n].trim();
  const result = cutoffs[pipeline];
  const load = async (signal) => {
    const answer = await post("cutoff", { pipeline }, signal);
    setUnscored(answer.unscored ? pipeline : "");
    if (!answer.unscored) onCutoffs({ ...cutoffs, [pipeline]: answer });
    if (signal) onScored();
  };
  useEffect(() => { // what was scored already needs no button
    if (result || !info.measured.length || !info.index) return;
    setError("");
    load().catch((e) => setError(e.message));
  }, [pipeline]);
  if (!info.index || !info.measured.length) return html`<${Unmeasured} what="Cut-offs" />`;
  return html`<section class="measured" aria-label="cut-off">
    <div class="bar"><h2>Where a list may end</h2>
      <label>after <select value=${n} onChange=${(e) => onCut({ ...cut, lane: Number(e.target.value) })}>${pipelines.map((p, i) => html`<option value=${i}>${LETTERS[i]}: ${p}</option>`)}</select></label>
      ${!result && unscored === pipeline && html`<${Measure} ids=${info.measured} pipelines=${[pipeline]} primary=${true} onError=${setError} work=${load} label="Calibrate on ${info.measured.length} judged queries" />`}</div>
    ${error && html`<p class="wrong" role="alert">${error}</p>`}
    ${!result && !error && html`<p class="faint">The pipeline's scores become probabilities of relevance, and a threshold on these keeps a promise: so many of the relevant documents stay, on average over queries like the judged ones.</p>`}
    ${result && html`<${Promise_} result=${result} cut=${cut} onCut=${onCut} texts=${texts} pipeline=${pipeline} />`}
  </section>`;
}

function Promise_({ result, cut, onCut, texts, pipeline }) {
  const kind = KINDS[cut.kind] ? cut.kind : "recall";
  const { levels, promise } = result.kinds[kind];
  const at = levels.reduce((a, b) => (Math.abs(b.level - cut.level) < Math.abs(a.level - cut.level) ? b : a));
  const usable = levels.filter((l) => l.refused === undefined);
  const stage = `keep(${kind}=${at.level}, file="cut.json")`;
  const said = promise.replace("{level:.0%}", percent(at.level, 0));
  return html`
    <div class="promise">
      <div class="tabs" role="group" aria-label="kind of promise">${Object.entries(KINDS).map(([id, { name }]) => html`<button aria-pressed=${kind === id} onClick=${() => onCut({ ...cut, kind: id })}>${name}</button>`)}</div>
      <label class="slider wide"><span class="what">promise</span><input type="range" min="50" max="99" value=${Math.round(100 * at.level)} aria-label="promised share" aria-valuetext=${said} onInput=${(e) => onCut({ ...cut, kind, level: Number(e.target.value) / 100 })} /><output>${percent(at.level, 0)}</output></label>
      <p class="said" role="status">${said[0].toUpperCase() + said.slice(1)}.</p>
      ${at.refused ? html`<p class="wrong">${at.refused}</p>` : html`<dl class="facts">
        <div><dt>kept</dt><dd>${at.kept.toFixed(1)} <small>of ${result.pool.toFixed(1)} a query</small></dd></div>
        <div><dt>missed</dt><dd>${percent(at.missed)} <small>${KINDS[kind].missed}; promised ≤ ${percent(1 - at.level, 0)}</small></dd></div>
        <div><dt>nothing</dt><dd>${percent(at.nothing)} <small>of the queries end empty</small></dd></div>
        <div><dt>threshold</dt><dd>${at.threshold.toPrecision(3)} <small>${kind === "any" ? "score" : "probability"}</small></dd></div></dl>`}
      <p class="faint">${result.queries} judged queries, each missed share measured by a fit that did not see the query. The pipeline itself finds ${percent(result.found)} of all relevant documents: no cut-off raises that. The promise holds on average over queries like these.</p>
      ${!at.refused && html`<p class="copy"><code>${pipeline} >> ${stage}</code> <button onClick=${() => download("cut.json", result.file)}>Save cut.json</button></p>`}
    </div>
    ${usable.length > 1 && html`<${Trade} levels=${usable} at=${at} pool=${result.pool} kind=${kind} />`}
    ${!at.refused && html`<${Examples} result=${result} at=${at} kind=${kind} texts=${texts} />`}`;
}

/** What is kept, and what is missed, by the promised level. */
function Trade({ levels, at, pool, kind }) {
  const { width, height, left, right, top, bottom } = frame(250);
  const x = scale(levels[0].level, levels.at(-1).level, left, right), y = scale(0, 1, bottom, top);
  const line = (value) => `M${levels.map((l) => `${x(l.level)} ${y(value(l))}`).join("L")}`;
  const here = at.refused === undefined;
  return html`<figure class="chart"><figcaption><span class="key kept">kept</span> <span class="key missed">missed</span> <span class="key allowed">allowed to miss</span></figcaption>
    <svg viewBox="0 0 ${width} ${height}" role="img" aria-label="share kept and missed by the promised level; the numbers are in the table below">
      <${Grid} values=${[0, 0.25, 0.5, 0.75, 1]} y=${y} left=${left} right=${right} format=${(v) => percent(v, 0)} />
      ${ticks(levels[0].level, levels.at(-1).level, 8).map((v) => html`<text class="tick" x=${x(v)} y=${bottom + 20} text-anchor="middle">${percent(v, 0)}</text>`)}
      <text class="axis" x=${(left + right) / 2} y=${height - 6} text-anchor="middle">promise</text>
      ${here && html`<line class="cursor" x1=${x(at.level)} x2=${x(at.level)} y1=${top} y2=${bottom} />`}
      <path class="curve kept" d=${line((l) => l.kept / pool)} /><path class="curve missed" d=${line((l) => l.missed)} /><path class="curve allowed" d=${line((l) => 1 - l.level)} />
      ${here && html`<circle class="kept" cx=${x(at.level)} cy=${y(at.kept / pool)} r="5" /><circle class="missed" cx=${x(at.level)} cy=${y(at.missed)} r="5" />`}
    </svg>
    <${Table} caption="The numbers of this chart" head=${["promise", "kept a query", KINDS[kind].head, "queries that end empty"]}
      rows=${levels.filter((l, i) => i % 5 === 0 || l === levels.at(-1)).map((l) => [percent(l.level, 0), l.kept.toFixed(1), percent(l.missed), percent(l.nothing)])} /></figure>`;
}

/** Candidates of some queries as a strip: how likely each is relevant, and where the list ends. */
function Examples({ result, at, kind, texts }) {
  const [from, setFrom] = useState(0);
  const shown = result.examples.slice(from, from + 8);
  return html`<figure class="chart"><figcaption>Where the lists of some queries end <small>height: root of the probability; <span class="key relevant">relevant</span>; faded: cut</small>
      <button onClick=${() => setFrom(from + 8 < result.examples.length ? from + 8 : 0)}>Other queries</button></figcaption>
    <ol class="strips">${shown.map((e) => {
      const values = kind === "any" ? e.scores : e.probabilities;
      const kept = values.filter((v) => v >= at.threshold).length, lost = e.relevant.filter((i) => i >= kept).length;
      const top = Math.max(...e.probabilities, 1e-9), tall = (p) => Math.max(38 * Math.sqrt(p / top), 2), width = 600 / Math.max(e.ids.length, 1);
      return html`<li><span class="words"><bdi dir="auto">${texts.get(e.query) || e.query}</bdi></span>
        <svg viewBox="0 0 600 44" preserveAspectRatio="none" role="img" aria-label="${kept} of ${e.ids.length} kept, ${e.relevant.length - lost} of ${e.relevant.length} relevant ones among them">
          ${e.ids.map((id, i) => html`<rect class="${e.relevant.includes(i) ? "relevant" : ""} ${i < kept ? "" : "gone"}" x=${i * width} width=${Math.max(width - 1, 0.5)} y=${40 - tall(e.probabilities[i])} height=${tall(e.probabilities[i])} />`)}
          <line class="end" x1=${kept * width} x2=${kept * width} y1="0" y2="44" /></svg>
        <span class="number">${kept} kept, ${lost ? html`<b class="down">${lost} of ${e.relevant.length} relevant cut</b>` : `all ${e.relevant.length} relevant`}</span></li>`;
    })}</ol></figure>`;
}
