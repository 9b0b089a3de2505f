// Judging by keys: one document at a time, pipelines hidden, until it is clear which one is better.
import { html, useEffect, useLayoutEffect, useState } from "./preact.js";
import { post } from "./api.js";
import { download } from "./documents.js";
import { Fetched, Large } from "./pictures.js";
import { runAll } from "./queries.js";

const NAMES = ["not relevant", "touches it", "relevant", "perfect"];

async function hash(text) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest).slice(0, 8)].map((b) => b.toString(16).padStart(2, "0")).join("");
}

export function Judge({ info, source, query, documents, pictures, pipelines, answer, results, onResults }) {
  const [runs, setRuns] = useState(null);
  const [store, setStore] = useState("");
  const [labels, setLabels] = useState([]);
  const [state, setState] = useState(null);
  const [busy, setBusy] = useState("");
  const [error, setError] = useState("");
  const [who, setWho] = useState(localStorage.getItem("anyrank.who") || "");
  const key = JSON.stringify(source === "docs" ? [pipelines, query, documents.map((d) => d.id)] : [pipelines]);

  useEffect(() => { setRuns(null); setState(null); }, [key]);

  async function begin() {
    setError("");
    try {
      let lists;
      if (source === "docs") {
        setBusy("ranking …");
        const full = await post("run", { query, documents, pipelines, k: 100 });
        const wrong = full.lanes.find((l) => l.error !== undefined);
        if (wrong) throw new Error(wrong.error);
        lists = full.lanes.map((l) => ({ q: l.results.map((r) => r.id) }));
      } else {
        const at = JSON.stringify(pipelines);
        const rows = results?.key === at && results.rows.length === info.queries.length ? results.rows
          : await runAll(pipelines, info.queries, (done) => { setBusy(`ranking ${done.length} of ${info.queries.length} queries …`); onResults({ key: at, rows: done }); });
        lists = pipelines.map((_, n) => Object.fromEntries(rows.map((r) => [r.id, r.runs[n]])));
      }
      const named = Object.fromEntries(lists.map((l, n) => [`run ${n + 1}`, l]));
      const place = `anyrank.judged.${await hash(JSON.stringify(named))}`;
      const before = JSON.parse(localStorage.getItem(place) || "[]");
      setStore(place);
      setRuns(named);
      await ask(named, before, place);
    } catch (e) { setError(e.message); }
    setBusy("");
  }

  async function ask(named, list, place) {
    const next = await post("judge", { runs: named, labels: list.map((l) => l.label) });
    setLabels(list);
    setState(next);
    setBusy("");
    localStorage.setItem(place, JSON.stringify(list));
  }

  async function give(label) {
    if (!state?.next || busy) return;
    setBusy("…");
    try {
      const { query: q, document: d } = state.next;
      await ask(runs, [...labels, { query: q, document: d, label, who, when: new Date().toISOString() }], store);
    } catch (e) { setError(e.message); }
    setBusy("");
  }

  async function back() {
    if (!labels.length || busy) return;
    setBusy("…");
    try { await ask(runs, labels.slice(0, -1), store); } catch (e) { setError(e.message); }
    setBusy("");
  }

  useLayoutEffect(() => {
    const press = (e) => {
      if (e.target.closest?.("input, textarea, select") || e.ctrlKey || e.metaKey || e.altKey) return;
      if (/^[0-3]$/.test(e.key)) { e.preventDefault(); give(Number(e.key)); }
      if (e.key === "u" || e.key === "Backspace") { e.preventDefault(); back(); }
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  });

  if (pipelines.length < 2) return html`<div class="hint"><p>Judging tells pipelines apart: add a second one under Rank.</p></div>`;
  if (source === "index" && !info.queries.length) {
    return html`<div class="hint"><p>Judging an index needs its queries:</p><pre>anyrank play my.index --queries topics.tsv</pre></div>`;
  }
  if (!runs) {
    return html`<div class="hint"><h2>Which of these ${pipelines.length} pipelines is better?</h2>
      <p>You see one query and one document at a time, not which pipeline ranked it where, in shuffled order. Those that can move the difference most are asked for most often; the estimate corrects for that, and its interval holds whenever you stop.</p>
      <label>Your name, kept beside each label <input value=${who} onInput=${(e) => { setWho(e.target.value); localStorage.setItem("anyrank.who", e.target.value); }} /></label>
      <p><button class="primary" disabled=${Boolean(busy)} onClick=${begin}>Begin</button> <span role="status">${busy}</span></p>
      ${error && html`<p class="wrong" role="alert">${error}</p>`}</div>`;
  }
  const item = state?.next;
  const local = item && source === "docs" ? documents.find((d) => d.id === item.document)?.text : item?.text;
  const own = item && pictures.get(item.document);
  const question = item && (source === "docs" ? query : item.question);
  const left = state && !state.decided ? (state.judged >= 10 ? `still open, about ${state.remaining} more` : "still open") : "decided";
  return html`<section class="judge" aria-label="judging">
    <p class="bar"><b>${state?.judged ?? 0} judged</b> <span role="status">${left}</span>
      <progress value=${state?.judged ?? 0} max=${(state?.judged ?? 0) + (state?.remaining || 0) || 1}></progress>
      <button disabled=${!labels.length} onClick=${back}>Take back <kbd>u</kbd></button>
      <button disabled=${!labels.length} onClick=${() => download("judged.qrels", labels.map((l) => `${l.query} 0 ${l.document} ${l.label}`).join("\n") + "\n")}>Save as qrels</button>
      <button disabled=${!labels.length} onClick=${() => download("judged.jsonl", labels.map((l) => JSON.stringify(l)).join("\n") + "\n")}>Save who and when</button></p>
    ${error && html`<p class="wrong" role="alert">${error}</p>`}
    ${item && html`<article><h2 dir="auto">${question || item.query}</h2>
        ${own ? html`<${Large} src=${own} id=${item.document} />` : source === "index" && item.picture && html`<${Fetched} id=${item.document} />`}
        <p class="text" dir="auto" tabindex="0">${(local || item.document).slice(0, 6000)}</p></article>
      <div class="keys" role="group" aria-label="label">${NAMES.map((name, n) => html`<button class="k${n}" onClick=${() => give(n)}><kbd>${n}</kbd> ${name}</button>`)}</div>`}
    ${state?.differences && html`<${Decided} state=${state} pipelines=${pipelines} />`}
  </section>`;
}

function Decided({ state, pipelines }) {
  const name = (run) => pipelines[Number(run.slice(4)) - 1];
  const signed = (x) => (x === null ? "" : `${x >= 0 ? "+" : "−"}${Math.abs(x).toFixed(4)}`);
  return html`<div class="verdict clear" role="status"><h2>After ${state.judged} of ${state.pool} documents</h2>
    ${state.differences.map((d) => html`<p><b>${d.verdict === "level" ? "Level" : d.verdict ? html`<code>${name(d.verdict)}</code> is better` : "Still open"}</b>
      <span> <code>${name(d.first)}</code> less <code>${name(d.second)}</code>: ${state.measure} ${signed(d.estimate)} [${signed(d.low)}, ${signed(d.high)}]</span></p>`)}
    <p class="faint">The interval holds at every moment of judging, with 95 %, for these queries; whether the difference holds for others is what the interval under Queries says.</p></div>`;
}
