// All queries of the index, sorted by how much two pipelines differ; a winner is named only with an interval clear of 0.
import { html, useEffect, useMemo, useState } from "./preact.js";
import { post } from "./api.js";
import { download } from "./documents.js";
import { signed } from "./sliders.js";

const AT_ONCE = 8;
const LETTERS = "ABCD";

/** The share of the first ten that two lists have in common. */
function common(a, b) {
  const of = new Set(a);
  return b.filter((id) => of.has(id)).length / Math.max(a.length, b.length, 1);
}

/** Runs pipelines over all queries in small requests; `onRows` gets what is there so far. */
export async function runAll(pipelines, queries, onRows, signal) {
  const rows = [];
  for (let i = 0; i < queries.length; i += AT_ONCE) {
    const ids = queries.slice(i, i + AT_ONCE).map((q) => q.id);
    rows.push(...(await post("values", { pipelines, ids }, signal)).rows);
    onRows([...rows]);
  }
  return rows;
}

export function Queries({ info, pipelines, results, onResults, onOpen }) {
  const [pair, setPair] = useState([0, 1]);
  const [filter, setFilter] = useState("");
  const [only, setOnly] = useState("all");
  const [running, setRunning] = useState(null);
  const [error, setError] = useState("");
  const [verdict, setVerdict] = useState(null);
  const current = results && results.key === JSON.stringify(pipelines);
  const rows = current ? results.rows : [];
  const texts = useMemo(() => new Map(info.queries.map((q) => [q.id, q.text])), [info]);
  const [a, b] = pair;
  const judged = rows.filter((r) => r.values[a] !== undefined && r.values[a] !== null && r.values[b] !== null && r.values[b] !== undefined);
  const complete = rows.length === info.queries.length;

  useEffect(() => {
    setVerdict(null);
    if (!judged.length || a === b || running) return;
    post("compare", { a: judged.map((r) => r.values[a]), b: judged.map((r) => r.values[b]) }).then(setVerdict, (e) => setError(e.message));
  }, [results, a, b, running]);

  async function start() {
    const control = new AbortController();
    setRunning(control);
    setError("");
    try {
      await runAll(pipelines, info.queries, (done) => onResults({ key: JSON.stringify(pipelines), rows: done }), control.signal);
    } catch (e) { if (e.name !== "AbortError") setError(e.message); }
    setRunning(null);
  }

  const difference = (r) => (r.values[a] === undefined || r.values[a] === null ? 1 - common(r.runs[a], r.runs[b]) : r.values[b] - r.values[a]);
  const shown = rows
    .filter((r) => (texts.get(r.id) || "").toLowerCase().includes(filter.toLowerCase()))
    .filter((r) => only === "all" || (only === "wins" ? difference(r) > 1e-9 : only === "losses" ? difference(r) < -1e-9 : Math.abs(difference(r)) <= 1e-9))
    .sort((x, y) => Math.abs(difference(y)) - Math.abs(difference(x)));
  const largest = Math.max(1e-9, ...rows.map((r) => Math.abs(difference(r))));
  const choose = (n) => (e) => setPair(pair.map((p, i) => (i === n ? Number(e.target.value) : p)));
  const options = pipelines.map((p, n) => html`<option value=${n}>${LETTERS[n]}: ${p}</option>`);

  if (!info.queries.length) {
    return html`<div class="hint"><p>Start the server with queries, and with judgements if there are any:</p>
      <pre>anyrank play my.index --queries topics.tsv --qrels my.qrels</pre></div>`;
  }
  return html`<section class="queries" aria-label="all queries">
    <div class="bar">
      ${running
        ? html`<button onClick=${() => running.abort()}>Stop</button><progress value=${rows.length} max=${info.queries.length}></progress><span role="status">${rows.length} of ${info.queries.length}</span>`
        : html`<button class="primary" disabled=${pipelines.length < 2} onClick=${start}>${complete ? "Run again" : `Run all ${info.queries.length} queries`}</button>`}
      ${pipelines.length < 2 && html`<span class="faint">add a second pipeline under Rank</span>`}
      ${rows.length > 0 && html`<label>from <select value=${a} onChange=${choose(0)}>${options}</select></label>
        <label>to <select value=${b} onChange=${choose(1)}>${options}</select></label>
        <label>show <select value=${only} onChange=${(e) => setOnly(e.target.value)}><option value="all">all</option><option value="wins">better</option><option value="losses">worse</option><option value="ties">level</option></select></label>
        <label>with the words <input type="search" value=${filter} onInput=${(e) => setFilter(e.target.value)} /></label>
        <button onClick=${() => pipelines.forEach((p, n) => download(`${LETTERS[n]}.trec`, rows.flatMap((r) => r.runs[n].map((id, i) => `${r.id} Q0 ${id} ${i + 1} ${100 - i} ${LETTERS[n]}`)).join("\n") + "\n"))}>Save the runs</button>`}
    </div>
    ${error && html`<p class="wrong" role="alert">${error}</p>`}
    ${verdict && html`<${Verdict} v=${verdict} count=${judged.length} a=${a} b=${b} complete=${complete} />`}
    ${rows.length > 0 && !judged.length && html`<p class="faint">No judgements here: sorted by how much the first ten differ. The Judge tab says which pipeline is better after a few dozen labels.</p>`}
    ${rows.length > 0 && html`<ol class="rows">${shown.slice(0, 500).map((r) => {
      const d = difference(r), has = r.values[a] !== undefined && r.values[a] !== null;
      return html`<li><button class="plain" onClick=${() => onOpen(texts.get(r.id))}>
        <span class="words"><bdi dir="auto">${texts.get(r.id)}</bdi></span>
        <span class="track" aria-hidden="true"><i class="${d < 0 ? "minus" : "plus"} ${has ? "" : "plain"}" style=${{ width: `${(50 * Math.abs(d)) / largest}%` }}></i></span>
        <span class="number">${has ? html`${r.values[a].toFixed(3)} → ${r.values[b].toFixed(3)} <b>${signed(d)}</b>` : html`${Math.round(100 * (1 - d))} % in common`}</span>
      </button></li>`;
    })}</ol>`}
  </section>`;
}

function Verdict({ v, count, a, b, complete }) {
  const clear = v.low > 0 || v.high < 0;
  const better = v.mean > 0 ? LETTERS[b] : LETTERS[a];
  return html`<div class="verdict ${clear && complete ? "clear" : ""}" role="status">
    <p><b>${clear && complete ? `${better} is better` : complete ? "Not told apart" : "So far"}</b> nDCG@10 ${signed(v.mean)} <span>[${signed(v.low)}, ${signed(v.high)}] at 95 %, ${count} judged queries</span></p>
    <div class="tally" role="img" aria-label="${v.wins} better, ${v.ties} level, ${v.losses} worse">
      <span class="wins" style=${{ flexGrow: v.wins }}>${v.wins || ""}</span><span class="ties" style=${{ flexGrow: v.ties }}>${v.ties || ""}</span><span class="losses" style=${{ flexGrow: v.losses }}>${v.losses || ""}</span>
    </div><p class="faint">${v.wins} better, ${v.ties} level, ${v.losses} worse${clear || !complete ? "" : ": the interval holds 0, so there is no winner"}</p></div>`;
}
