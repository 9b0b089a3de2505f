// The playground: what is to be ranked, by which pipelines, and what came out.
import { h, html, render, useEffect, useMemo, useRef, useState } from "./preact.js";
import { info as readInfo, post, Refused, setKey } from "./api.js";
import { download, packed, PICTURE, readDocuments, unpacked } from "./documents.js";
import { Detail, Lanes } from "./lanes.js";
import { Curves } from "./curves.js";
import { Cutoff } from "./cutoff.js";
import { Judge } from "./judge.js";
import { thumbnail } from "./pictures.js";
import { Measure } from "./measured.js";
import { Queries } from "./queries.js";
import { useSlides } from "./sliders.js";

const SAMPLE = {
  query: "what makes aircraft wings stall",
  docs: [
    "A stall happens when the angle of attack of a wing grows until the air flow separates from its upper side.",
    "Market stalls may be rented by the day at the town hall.",
    "Lift grows with the angle of attack up to a critical angle; beyond it the flow detaches and lift falls suddenly.",
    "The wing of the museum that holds the paintings is closed for repair.",
    "Flaps let an airplane fly slower before its wings lose lift.",
    "If the engine stalls at traffic lights, check the idle valve.",
  ].map((text, n) => ({ id: `d${n + 1}`, text })),
};
const PAST = 200; // rows of documents that the table shows

const pythonText = JSON.stringify; // a text of JSON is one of Python too

function snippets(state) {
  const { query, source, pipelines, over } = state;
  const body = { ...(over.spectrum ? {} : { query }), pipelines, ...over };
  const curl = `curl ${location.origin}/play/run -H 'Content-Type: application/json' -d '${JSON.stringify(body).replace(/'/g, "'\\''")}'`;
  const python = source === "docs"
    ? `import anyrank as ar\n\nranking = ar.rerank(\n    ${pythonText(query)},\n    [\n${over.documents.map((d) => `        ${pythonText(d.text)},\n`).join("")}    ],\n    ${pythonText(pipelines[0])},\n)\nprint(ranking)\n`
    : `import anyrank as ar\n\nindex = ar.Index.open("my.index")\nprint(index.search(${pythonText(query)}, ${pythonText(pipelines[0])}))\n`;
  return { curl, python };
}

/** What a pipeline does after its search, as it ranks given documents. */
const afterSearch = (pipeline) => pipeline.split(">>").at(-1).trim().replace(/^\((.*)\)$/, "$1").replace(/\s*%\s*\d+$/, "") || "mini";

function Documents({ docs, onDocs, note, onNote }) {
  const [view, setView] = useState("table");
  const [json, setJson] = useState(null); // a JSON text that can't be read yet
  const [over, setOver] = useState(false);
  const file = useRef();
  const take = (text, name) => {
    try { onDocs(readDocuments(text, name)); onNote(""); } catch (e) { onNote(`${name || "what was pasted"}: ${e.message}`); }
  };
  const drop = async (e) => {
    e.preventDefault();
    setOver(false);
    const [first] = e.dataTransfer.files;
    if (first) take(await first.text(), first.name);
    else if (e.dataTransfer.getData("text")) take(e.dataTransfer.getData("text"), "");
  };
  const paste = (e) => {
    const text = e.clipboardData.getData("text");
    if (!/\n./.test(text) && !/^\s*[[{]/.test(text)) return;
    e.preventDefault();
    try { onDocs([...docs.filter((d) => d.text.trim()), ...readDocuments(text).map((d) => ({ ...d, id: docs.some((x) => x.id === d.id) ? `p${d.id}` : d.id }))]); onNote(""); } catch (x) { onNote(`what was pasted: ${x.message}`); }
  };
  const set = (n, change) => onDocs(docs.map((d, i) => (i === n ? { ...d, ...change } : d)));
  return html`<div class="documents ${over ? "over" : ""}" onDragOver=${(e) => { e.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <div class="bar"><h2>Documents <small>${docs.length.toLocaleString()}</small></h2>
      <div class="tabs" role="group" aria-label="view of the documents">
        <button aria-pressed=${view === "table"} onClick=${() => setView("table")}>Table</button><button aria-pressed=${view === "json"} onClick=${() => { setView("json"); setJson(null); }}>JSON</button></div>
      <button onClick=${() => file.current.click()}>Open a file</button>
      <input type="file" ref=${file} hidden accept=".jsonl,.json,.csv,.tsv,.txt" onChange=${async (e) => { const f = e.target.files[0]; if (f) take(await f.text(), f.name); e.target.value = ""; }} />
      <button class="quiet" onClick=${() => onDocs([{ id: "0", text: "" }])}>Clear</button></div>
    ${note && html`<p class="wrong" role="alert">${note}</p>`}
    ${view === "json"
      ? html`<textarea class="json" rows="12" spellcheck="false" aria-label="documents as JSON" aria-invalid=${json !== null ? "true" : "false"} value=${json ?? JSON.stringify(docs, null, 1)}
          onInput=${(e) => { try { onDocs(readDocuments(e.target.value, "x.json")); setJson(null); onNote(""); } catch (x) { setJson(e.target.value); onNote(x.message); } }}></textarea>`
      : html`<ol class="table" onPaste=${paste}>${docs.slice(0, PAST).map((d, n) => html`<li key=${n}>
          <input class="id" value=${d.id} aria-label="id of document ${n + 1}" onInput=${(e) => set(n, { id: e.target.value })} />
          ${d.text.length > 20000 ? html`<span class="long">${d.text.slice(0, 200)} … ${d.text.length.toLocaleString()} characters</span>`
            : html`<textarea rows="2" dir="auto" aria-label="text of document ${n + 1}" value=${d.text} onInput=${(e) => set(n, { text: e.target.value })}></textarea>`}
          <button class="quiet" aria-label="remove document ${n + 1}" onClick=${() => onDocs(docs.filter((_, i) => i !== n))}>×</button></li>`)}
        ${docs.length > PAST && html`<li class="faint">${(docs.length - PAST).toLocaleString()} more in the JSON view</li>`}</ol>
        <button onClick=${() => onDocs([...docs, { id: String(Math.max(docs.length, ...docs.map((d) => Number(d.id) + 1 || 0))), text: "" }])}>Add one</button>
        <p class="faint">Paste lines, JSON or JSONL into a field, or drop a .jsonl or .csv file here. Nothing leaves this server.</p>`}
  </div>`;
}

function Share({ state, answer, onClose }) {
  const [shown, setShown] = useState({ name: "curl", text: snippets(state).curl });
  const dialog = useRef();
  useEffect(() => { dialog.current.showModal(); }, []);
  const link = async () => {
    const { docs, query, pipelines, source, k, tab, depth, cut } = state;
    const text = `${location.origin}${location.pathname}#s=${await packed({ docs: source === "docs" ? docs.filter((d) => d.text.trim()) : undefined, query, pipelines, source, k, tab, depth, cut })}`;
    history.replaceState(null, "", text.length < 60000 ? text : "#");
    setShown({ name: "link", text, note: text.length > 8000 ? `${text.length.toLocaleString()} characters: some programs cut long links` : "" });
  };
  const run = () => (answer?.lanes || []).flatMap((l, n) => (l.results || []).map((r, i) => `q Q0 ${r.id.replace(/\s/g, "_")} ${i + 1} ${r.score} ${"ABCD"[n]}`)).join("\n") + "\n";
  const kinds = { curl: () => setShown({ name: "curl", text: snippets(state).curl }), ...(state.source === "spectra" ? {} : { Python: () => setShown({ name: "Python", text: snippets(state).python }) }), link, pipelines: () => setShown({ name: "pipelines", text: state.pipelines.join("\n") }), run: () => setShown({ name: "run", text: run() }), JSON: () => setShown({ name: "JSON", text: JSON.stringify(answer, null, 1) }) };
  return html`<dialog ref=${dialog} onClose=${onClose} aria-label="copy or save"><header><h2>Copy or save</h2><button class="quiet" aria-label="close" onClick=${() => dialog.current.close()}>×</button></header>
    <div class="tabs" role="group">${Object.entries(kinds).map(([name, go]) => html`<button aria-pressed=${shown.name === name} onClick=${go}>${name}</button>`)}</div>
    <textarea readonly rows="12" aria-label=${shown.name} value=${shown.text}></textarea>
    ${shown.note && html`<p class="faint">${shown.note}</p>`}
    <p><button class="primary" onClick=${async (e) => { const b = e.currentTarget; try { await navigator.clipboard.writeText(shown.text); b.textContent = "Copied"; } catch { b.textContent = "Select and copy"; } }}>Copy</button>
      <button onClick=${() => download({ run: "play.trec", JSON: "play.json", Python: "play.py" }[shown.name] || "play.txt", shown.text)}>Save</button></p></dialog>`;
}

function App({ info, start }) {
  const [state, setState] = useState(start);
  const [answer, setAnswer] = useState(null);
  const [before, setBefore] = useState(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const [note, setNote] = useState("");
  const [chosen, setChosen] = useState([]);
  const [results, setResults] = useState(null);
  const [measured, setMeasured] = useState(null);
  const [cutoffs, setCutoffs] = useState({});
  const [sharing, setSharing] = useState(false);
  const [theme, setTheme] = useState(localStorage.getItem("anyrank.theme") || "");
  const edited = useRef(false);
  const last = useRef(null);
  const { tab, source, query, docs, pipelines, k } = state;
  const change = (c) => setState((s) => ({ ...s, ...c }));

  useEffect(() => {
    if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
    localStorage.setItem("anyrank.theme", theme);
  }, [theme]);

  const given = source === "docs" ? docs.filter((d) => d.text.trim()).map(({ id, text }) => ({ id, text })) : null;
  const pictures = useMemo(() => new Map(source === "docs" ? docs.filter((d) => PICTURE.test(d.image)).map((d) => [d.id, d.image]) : []), [docs, source]);
  const spectrum = source === "spectra" ? (info.spectra.some((s) => s.id === query) ? query : info.spectra[0].id) : "";
  const over = given ? { documents: given } : spectrum ? { spectrum } : {}; // what is ranked
  const setPipelines = (next) => setState((s) => ({ ...s, pipelines: typeof next === "function" ? next(s.pipelines) : next }));
  const textOf = (p) => p.trim() || info.pipelines[0].name;
  const keyOf = (texts) => JSON.stringify([query, given, texts, k]);
  const wanted = keyOf(pipelines);
  const slides = useSlides({
    pipelines, keyOf, onError: setError,
    body: (texts) => ({ query, pipelines: texts.map(textOf), k, ...over }),
    ranks: () => last.current?.lanes.map((l) => l.ranks || {}) || null,
    onPipelines: (texts) => change({ pipelines: texts }),
    onAnswer: (next, ranks) => { last.current = next; setAnswer(next); setBefore(ranks || null); setError(""); },
  });
  useEffect(() => {
    if (slides.handles(wanted)) { setBusy(false); return undefined; } // computed from scores, not run
    if (!query.trim() || (given && !given.length) || !pipelines.some((p) => p.trim())) { setAnswer(null); return undefined; }
    const control = new AbortController();
    const timer = setTimeout(async () => {
      setBusy(true);
      try {
        const texts = pipelines.map(textOf);
        const old = edited.current && last.current ? last.current.lanes.map((l) => l.ranks || {}) : null;
        for (let n = 1; n <= texts.length; n++) { // one more lane each time: those before it are not run again
          const next = await post("run", { query, pipelines: texts.slice(0, n), k, ...over }, control.signal);
          last.current = next;
          setAnswer(next);
        }
        setBefore(old);
        edited.current = false;
        setError("");
      } catch (e) { if (e.name !== "AbortError") setError(e.message); }
      if (!control.signal.aborted) setBusy(false);
    }, last.current ? 350 : 0);
    return () => { clearTimeout(timer); control.abort(); };
  }, [wanted]);

  const setDocs = (list) => { edited.current = true; change({ docs: list }); };
  const choose = (id, more) => setChosen((c) => (c[0] === id ? [] : more && c.length ? [c[0], id] : [id]));
  const explain = (pipeline, ids) => post("explain", { query, pipeline, ids, ...over });
  const names = useMemo(() => [...(source === "docs" ? info.pipelines.map((p) => p.name) : [info.start.at(-1)]), ...(source === "spectra" ? ["prior", "hyperscore", 'hyperscore(tolerance="0.5Da")', "prior + hyperscore"] : []), ...(source === "index" && !info.index.words ? [] : source === "index" ? ["bm25", "bm25 % 100 >> mini", "bm25 % 100 >> tiny", "bm25 % 100 >> minilm"] : ["mini", "tiny", "minilm", "splade", "minilm + mini", "bm25 % 10 >> mini"])], [info, source]);
  const tabs = source === "spectra" ? { rank: "Rank" } : { rank: "Rank", queries: "Queries", curves: "Depth", cutoff: "Cut-off", judge: "Judge" };
  const measurable = source === "index" && info.measured.length > 0;
  const detail = chosen.length && answer?.texts[chosen[0]] ? chosen[0] : null;
  const own = source === "docs" ? docs.findIndex((d) => d.id === detail) : -1;

  return html`<div class="page ${detail && tab === "rank" ? "with-detail" : ""}">
    <header class="top"><h1><img src="play/icon.svg" alt="" width="26" height="26" />anyrank <span>playground</span></h1>
      <nav aria-label="views">${Object.entries(tabs).map(([id, name]) => html`<button aria-current=${tab === id ? "page" : undefined} onClick=${() => change({ tab: id })}>${name}</button>`)}</nav>
      <div class="right"><button onClick=${() => setSharing(true)}>Copy or save</button>
        <button class="quiet" aria-label="light or dark" title="Light or dark" onClick=${() => setTheme((theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark" ? "light" : "dark")}>◐</button></div></header>
    <datalist id="pipelines">${names.map((n) => html`<option value=${n}></option>`)}</datalist>
    ${error && html`<p class="wrong top-error" role="alert">${error}</p>`}
    ${tab === "rank" && html`<main>
      <section class="ask" aria-label="query and documents">
        ${info.spectra.length > 0 && html`<label class="query"><span>Spectrum</span><select value=${spectrum} onChange=${(e) => { setChosen([]); change({ source: "spectra", query: e.target.value }); }}>
          ${info.spectra.slice(0, 5000).map((s) => html`<option value=${s.id}>${s.id.slice(0, 80)}, ${s.candidates} ${s.candidates > 1 ? "peptides" : "peptide"}</option>`)}</select></label>
          ${info.problems.count > 0 && html`<details class="faint"><summary>${info.problems.count.toLocaleString()} spectra and rows of the files are left out</summary><ul class="problems" tabindex="0">${info.problems.first.map((p) => html`<li>${p}</li>`)}
            ${info.problems.count > info.problems.first.length && html`<li>and ${(info.problems.count - info.problems.first.length).toLocaleString()} more</li>`}</ul></details>`}`}
        ${source !== "spectra" && html`<label class="query"><span>Query</span><textarea rows="3" dir="auto" value=${query} onInput=${(e) => change({ query: e.target.value })}></textarea></label>`}
        ${info.queries.length > 0 && source === "index" && html`<label class="try">or one of ${info.queries.length} <select onChange=${(e) => e.target.value && change({ query: info.queries[Number(e.target.value)].text })}>
          <option value="">choose</option>${info.queries.slice(0, 500).map((q, n) => html`<option value=${n}>${q.text.slice(0, 90)}</option>`)}</select></label>`}
        ${info.index && html`<div class="tabs" role="group" aria-label="what is ranked"><button aria-pressed=${source === "index"} onClick=${() => change({ source: "index", pipelines: info.start })}>Index <small>${info.index.documents.toLocaleString()}</small></button>
          <button aria-pressed=${source === "docs"} onClick=${() => change({ source: "docs", pipelines: [...new Set(pipelines.map(afterSearch))], ...(docs === SAMPLE.docs ? { query: SAMPLE.query } : {}) })}>Pasted</button></div>`}
        ${source === "docs" && html`<${Documents} docs=${docs} onDocs=${setDocs} note=${note} onNote=${setNote} />`}
        ${source === "index" && answer && html`<button onClick=${() => change({ source: "docs", docs: Object.entries(answer.texts).map(([id, t]) => ({ id, text: t.text.trim() ? t.text : id, ...(thumbnail(id) ? { image: thumbnail(id) } : {}) })), pipelines: [...new Set(pipelines.map(afterSearch))] })}>Edit these results as documents</button>`}
      </section>
      <section class="compare" aria-label="pipelines" aria-busy=${busy ? "true" : "false"}>
        <div class="bar"><h2>Pipelines</h2><button disabled=${pipelines.length > 3} onClick=${() => change({ pipelines: [...pipelines, names.find((n) => !pipelines.includes(n)) || pipelines.at(-1)] })}>Add a pipeline</button>
          ${measurable && answer?.lanes.some((l) => l.results && !l.quality) && html`<${Measure} ids=${info.measured} pipelines=${pipelines.map(textOf)} onError=${setError} work=${slides.again} label="Measure on ${info.measured.length} queries" />`}
          <span class="faint" role="status">${busy ? "ranking …" : slides.note}</span></div>
        <${Lanes} pipelines=${pipelines} answer=${answer} names=${names} before=${before} chosen=${chosen} busy=${busy} slides=${slides} pictures=${pictures} onPipelines=${setPipelines} onChoose=${choose} onMore=${() => change({ k: Math.min(k * 4, 1000) })} />
        ${!answer && !busy && !error && html`<p class="hint">Write a query${source === "docs" ? " and a document or two" : ""}: it is ranked at once.</p>`}
      </section>
      ${detail && html`<${Detail} id=${detail} other=${answer.texts[chosen[1]] ? chosen[1] : undefined} answer=${answer} pipelines=${pipelines} explain=${explain} spectrum=${spectrum} picture=${pictures.get(detail)} editable=${own >= 0 ? docs[own] : null}
        onText=${(text) => setDocs(docs.map((d, i) => (i === own ? { ...d, text } : d)))} onClose=${() => setChosen([])} onOther=${(id) => setChosen(id ? [detail, id] : [detail])} />`}
    </main>`}
    ${tab === "queries" && html`<main class="one"><${Queries} info=${info} pipelines=${pipelines} results=${results} onResults=${setResults} onOpen=${(text) => change({ tab: "rank", source: "index", query: text })} /></main>`}
    ${tab === "curves" && html`<main class="one"><${Curves} info=${info} pipelines=${pipelines} measured=${measured} onMeasured=${setMeasured} onScored=${slides.again} depth=${state.depth} onDepth=${(depth) => change({ depth })} onPipelines=${(p) => change({ pipelines: p })} /></main>`}
    ${tab === "cutoff" && html`<main class="one"><${Cutoff} info=${info} pipelines=${pipelines} cutoffs=${cutoffs} onCutoffs=${setCutoffs} onScored=${slides.again} cut=${state.cut} onCut=${(cut) => change({ cut })} /></main>`}
    ${tab === "judge" && html`<main class="one"><${Judge} info=${info} source=${source} query=${query} documents=${given || []} pictures=${pictures} pipelines=${pipelines} answer=${answer} results=${results} onResults=${setResults} /></main>`}
    ${sharing && html`<${Share} state=${{ ...state, pipelines: pipelines.map(textOf), over }} answer=${answer} onClose=${() => setSharing(false)} />`}
    <footer>anyrank ${info.version} · ${info.free ? "any pipeline runs here" : "shipped and served pipelines run here"} · keys: arrows follow, Enter opens, Shift+Enter compares</footer>
  </div>`;
}

/** A link of another page may open this one: what it names is run only after a look at it. */
function Stranger({ pipelines, onTrust, onOwn }) {
  return html`<main class="one"><section class="hint" aria-label="pipelines of a link"><h1>This link brings pipelines of its own</h1>
    <p>They name models, files or servers, which would get what is searched. Run them only if you trust where the link comes from.</p>
    <pre tabindex="0">${pipelines.join("\n")}</pre>
    <p><button class="primary" onClick=${onTrust}>Run them</button> <button onClick=${onOwn}>Open without them</button></p></section></main>`;
}

function Key({ message, onKey }) {
  const [value, set] = useState("");
  return html`<form class="hint" onSubmit=${(e) => { e.preventDefault(); onKey(value); }}><h1>anyrank playground</h1><p>${message}</p>
    <label>Key <input type="password" value=${value} onInput=${(e) => set(e.target.value)} /></label> <button class="primary">Open</button></form>`;
}

const root = document.getElementById("app");
root.textContent = "";
const show = (what) => render(what, root);

async function begin() {
  let info;
  try { info = await readInfo(); } catch (e) {
    if (e instanceof Refused && e.status === 401) show(h(Key, { message: e.message, onKey: (k) => { setKey(k); begin(); } }));
    else show(html`<p class="boot wrong">${e.message}</p>`);
    return;
  }
  const search = info.free || info.search === "bm25" ? "bm25 % 20 >> mini" : info.search;
  info.start = info.index ? (info.index.words ? ["bm25", search] : [info.search]) : [info.pipelines[0].name, info.pipelines[0].name === "tiny" ? "mini" : "tiny"];
  const linked = location.hash.startsWith("#s=") ? await unpacked(location.hash.slice(3)) : null;
  if (info.spectra.length) info.start = ["prior", "hyperscore"];
  const fresh = { tab: "rank", source: info.spectra.length ? "spectra" : info.index ? "index" : "docs", query: info.spectra.length ? info.spectra[0].id : info.index ? (info.queries[0]?.text ?? "") : SAMPLE.query, docs: SAMPLE.docs, pipelines: info.start, k: 10, depth: 20, cut: { lane: 0, kind: "recall", level: 0.9 } };
  const start = { ...fresh };
  if (linked && typeof linked === "object") {
    if (typeof linked.query === "string") start.query = linked.query;
    if (Array.isArray(linked.docs)) start.docs = linked.docs.filter((d) => typeof d?.text === "string").map((d, n) => ({ id: String(d.id ?? n), text: d.text, ...(PICTURE.test(d.image) ? { image: d.image } : {}) }));
    if (Array.isArray(linked.pipelines)) start.pipelines = linked.pipelines.filter((p) => typeof p === "string").slice(0, 4);
    if (linked.source === "docs" || (linked.source === "index" && info.index) || (linked.source === "spectra" && info.spectra.length)) start.source = linked.source;
    if (Number.isInteger(linked.k) && linked.k > 0) start.k = Math.min(linked.k, 1000);
    if (["queries", "curves", "cutoff", "judge"].includes(linked.tab) && start.source !== "spectra") start.tab = linked.tab;
    if (Number.isInteger(linked.depth) && linked.depth > 1) start.depth = Math.min(linked.depth, 1000);
    const { lane, kind, level } = linked.cut || {};
    if (Number.isInteger(lane) && lane >= 0 && lane < 4 && ["recall", "any", "precision"].includes(kind) && level >= 0.5 && level <= 0.99) start.cut = { lane, kind, level };
    if (!start.pipelines.length) start.pipelines = info.start;
  }
  const safe = (p) => !/["']/.test(p) && (p.match(/[^\W\d]\w*/gu) || []).every((word) => info.safe.includes(word) || /^(k1?|b|depth|lam)$/.test(word));
  const open = () => show(h(App, { info, start }));
  if (!linked || !info.free || start.pipelines.every(safe)) open();
  else show(h(Stranger, { pipelines: start.pipelines, onTrust: open, onOwn: () => { start.pipelines = info.start; open(); } }));
}

begin();
