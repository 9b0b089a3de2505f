// Scores of all judged queries, filled in small requests, for what is measured over them.
import { html, useState } from "./preact.js";
import { post } from "./api.js";

const AT_ONCE = 4;

/** Scores pipelines for all measured queries; `onProgress` gets the queries done and the tokens read. */
export async function fillAll(pipelines, ids, onProgress, signal) {
  let tokens = 0;
  for (let i = 0; i < ids.length; i += AT_ONCE) {
    const { usage } = await post("fill", { pipelines, ids: ids.slice(i, i + AT_ONCE) }, signal);
    tokens += (usage.prompt_tokens || 0) + (usage.completion_tokens || 0);
    onProgress(Math.min(i + AT_ONCE, ids.length), tokens);
  }
}

/** A button that scores the judged queries, with progress and a stop; `work` goes on with what was scored. */
export function Measure({ ids, pipelines, label, primary, work, onError }) {
  const [running, set] = useState(null);
  async function start() {
    const control = new AbortController();
    set({ control, done: 0, tokens: 0 });
    onError("");
    try {
      await fillAll(pipelines, ids, (done, tokens) => set({ control, done, tokens }), control.signal);
      await work(control.signal, (step) => set({ control, done: ids.length, tokens: 0, step }));
    } catch (e) { if (e.name !== "AbortError") onError(e.message); }
    set(null);
  }
  if (!running) return html`<button class=${primary ? "primary" : ""} onClick=${start}>${label}</button>`;
  return html`<span class="running"><button onClick=${() => running.control.abort()}>Stop</button><progress value=${running.done} max=${ids.length} aria-label="queries scored"></progress>
    <span role="status">${running.step || `${running.done} of ${ids.length} queries${running.tokens ? `, ${running.tokens.toLocaleString()} tokens` : ""}`}</span></span>`;
}

export const Unmeasured = ({ what }) => html`<div class="hint"><h2>${what}</h2><p>This is measured on judged queries of an index. Start with queries and judgements:</p>
  <pre>anyrank play my.index --queries topics.tsv --qrels my.qrels</pre><p>or look at the bundled collection: <code>anyrank play demo</code></p></div>`;
