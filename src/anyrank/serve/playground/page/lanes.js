// Pipelines side by side: their texts, their results, and lines that follow a document from one to the next.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./preact.js";
import { post } from "./api.js";
import { Fetched, Large, Thumbnail, usePictures } from "./pictures.js";
import { Spectrum } from "./spectrum.js";
import { Quality, shapeOf, Sliders } from "./sliders.js";

const ROW = 76, GUTTER = 56;
const STEP = 10; // rows outside the window are not there; it moves by so many at a time
const HUES = ["a", "b", "c", "d"];

const ms = (seconds) => (seconds >= 10 ? `${seconds.toFixed(0)} s` : seconds >= 1 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds * 1000)} ms`);
const score = (value) => (Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(4));

/** The text of a pipeline, to be edited in place, with what is wrong pointed at. */
function Editor({ n, text, lane, names, slides, onText, onRemove }) {
  const wrong = lane && lane.error !== undefined;
  const parts = wrong && lane.end > 0 ? [text.slice(0, lane.start), text.slice(lane.start, lane.end) || " ", text.slice(lane.end)] : null;
  return html`<div class="editor ${HUES[n]}">
    <div class="entry">
      <span class="letter" aria-hidden="true">${HUES[n].toUpperCase()}</span>
      <input value=${text} list="pipelines" spellcheck="false" autocomplete="off" aria-label="pipeline ${HUES[n].toUpperCase()}"
        aria-invalid=${wrong ? "true" : "false"} aria-describedby=${wrong ? `wrong${n}` : undefined}
        placeholder=${names[0] || "mini"} onInput=${(e) => onText(e.target.value)} />
      ${onRemove && html`<button class="quiet" title="Remove this pipeline" aria-label="remove pipeline ${HUES[n].toUpperCase()}" onClick=${onRemove}>×</button>`}
    </div>
    ${wrong && html`<div class="wrong" id="wrong${n}" role="status">
      ${parts && html`<code aria-hidden="true">${parts[0]}<mark>${parts[1]}</mark>${parts[2]}</code>`}
      <span>${lane.error}</span></div>`}
    ${lane && !wrong && html`<${Cost} lane=${lane} />
      <${Quality} quality=${lane.quality} since=${slides.since() && slides.since()[n] !== text} />
      <${Sliders} n=${n} shape=${shapeOf(text, lane, slides.shapes()[n])} slides=${slides} />`}
  </div>`;
}

/** What a lane cost, and how its ranking came about: always in sight. */
function Cost({ lane }) {
  const { usage } = lane;
  const facts = [lane.computed ? "from stored scores" : ms(lane.seconds), `${lane.count.toLocaleString()} ranked`];
  if (usage.calls) facts.push(`${usage.calls.toLocaleString()} ${usage.calls === 1 ? "call" : "calls"}`);
  const tokens = (usage.prompt_tokens || 0) + (usage.completion_tokens || 0);
  if (tokens) facts.push(`${tokens.toLocaleString()} tokens`);
  if (usage.truncated) facts.push(`${usage.truncated} cut to length`);
  return html`<details class="cost">
    <summary><span class="dot ${lane.status}" aria-hidden="true"></span><span>${lane.status}</span>${facts.map((f) => html`<span>${f}</span>`)}</summary>
    <ol>${lane.steps.map((s) => html`<li><code>${s.name}</code> <span>${s.count.toLocaleString()} documents</span></li>`)}</ol>
    ${lane.trace.length > 0 && html`<p>${lane.trace.map((s) => `${s.name} ${ms(s.seconds)}`).join(" · ")}</p>`}
    ${lane.notes.map((note) => html`<p class="note">${note}</p>`)}
  </details>`;
}

function moved(before, now) {
  if (!before || before === now) return null;
  const up = before > now, by = Math.abs(before - now);
  return html`<span class=${up ? "up" : "down"} aria-label="${up ? "up" : "down"} ${by}">${up ? "▲" : "▼"}${by}</span>`;
}

function Row({ n, id, rank, value, text, by, pictured, picture, before, lane, first, count, chosen, onChoose }) {
  const place = (e) => {
    const step = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] }[e.key];
    if (e.key === "Enter" || e.key === " ") { e.preventDefault(); onChoose(id, e.shiftKey); }
    if (!step) return;
    e.preventDefault();
    const next = step[0] ? document.querySelector(`.lane[data-lane="${lane + step[0]}"] [data-n="${n}"]`)
      : step[1] > 0 ? e.currentTarget.nextElementSibling : e.currentTarget.previousElementSibling;
    if (next && next.matches(".row")) next.focus();
  };
  return html`<li class="row ${chosen ? "chosen" : ""} ${pictured ? "pictured" : ""}" data-n=${n} tabindex=${first ? 0 : -1} role="option" aria-posinset=${rank} aria-setsize=${count} aria-selected=${chosen ? "true" : "false"}
      onClick=${(e) => onChoose(id, e.shiftKey)} onMouseDown=${(e) => e.shiftKey && e.preventDefault()} onKeyDown=${place}>
    <span class="rank">${rank}${moved(before, rank)}</span>
    ${pictured && html`<${Thumbnail} src=${picture} />`}
    <span class="words"><bdi dir="auto">${(text.trim() ? text : id).slice(0, 400)}</bdi></span>
    <span class="meta"><bdi>${by ?? (text.trim() ? id.slice(0, 60) : "")}</bdi><span>${score(value)}</span></span>
  </li>`;
}

/** The place of rows outside the window. */
const Space = ({ rows }) => (rows > 0 ? html`<li role="presentation" style=${{ height: `${rows * ROW}px` }}></li>` : null);

const y = (rank) => (rank - 0.5) * ROW;

/** The line of a document from its rank in one lane to that in the next; below the lists, if it isn't shown. */
function curve(from, to, height) {
  const y1 = from ? y(from) : height + 10, y2 = to ? y(to) : height + 10, bend = GUTTER / 2;
  return `M0 ${y1}C${bend} ${y1} ${bend} ${y2} ${GUTTER} ${y2}`;
}

/** Lines between two lanes, of the documents near the window, and over them the one of the document that is followed. */
function Flow({ gap, left, right, height, span }) {
  if (!left || !right) return html`<div></div>`;
  const top = Math.min(span[0] * ROW, height), bottom = Math.min(span[1] * ROW, height) + 16;
  const lines = [...new Set([...left.keys(), ...right.keys()])].map((id) => {
    const from = left.get(id), to = right.get(id);
    if (![from, to].some((rank) => rank > span[0] && rank <= span[1])) return null;
    const kind = from && to ? (from === to ? "level" : from > to ? "rises" : "falls") : "out";
    return html`<path class="line ${kind}" d=${curve(from, to, height)} />`;
  });
  const box = `0 ${top} ${GUTTER} ${bottom - top}`, place = { top: `${top}px`, height: `${bottom - top}px` };
  return html`<div class="flow" data-gap=${gap} style=${{ height: `${height + 16}px` }} aria-hidden="true"><svg viewBox=${box} style=${place}>${lines}</svg>
    <svg class="over" viewBox=${box} style=${place}><path class="line" /></svg></div>`;
}

/**
 * Lights up the rows of a document, and draws its lines over the others. A pane over each lane is moved there, so that
 * no row is drawn anew.
 */
function follow(box, n, ids, ranks, height) {
  if (!box || box.dataset.following === (n ?? "")) return;
  box.dataset.following = n ?? "";
  for (const lit of [...box.getElementsByClassName("lit")]) lit.classList.remove("lit");
  if (n !== null) for (const item of box.querySelectorAll(`.gone [data-n="${Number(n)}"]`)) item.classList.add("lit");
  box.querySelectorAll(".pane").forEach((pane, lane) => {
    const rank = n === null ? undefined : ranks[lane]?.get(ids[n]);
    pane.style.transform = `translateY(${rank ? (rank - 1) * ROW : -2 * ROW}px)`;
  });
  box.querySelectorAll(".over path").forEach((path) => {
    const gap = Number(path.closest("[data-gap]").dataset.gap);
    const from = n === null ? undefined : ranks[gap - 1]?.get(ids[n]), to = n === null ? undefined : ranks[gap]?.get(ids[n]);
    path.setAttribute("d", from || to ? curve(from, to, height) : "");
  });
}

export function Lanes({ pipelines, answer, names, before, chosen, busy, slides, pictures, onPipelines, onChoose, onMore }) {
  const lanes = answer ? answer.lanes : [];
  const [ids, numbers, ranks] = useMemo(() => {
    const all = answer ? Object.keys(answer.texts) : [];
    return [all, new Map(all.map((id, n) => [id, n])), lanes.map((l) => l.results && new Map(l.results.map((r, i) => [r.id, i + 1])))];
  }, [answer]);
  const number = (id) => numbers.get(id);
  const words = (id) => answer.texts[id]?.text || "";
  const most = Math.max(0, ...lanes.map((l) => (l.results ? l.results.length : 0)));
  const height = most * ROW;
  const box = useRef();
  const [span, setSpan] = useState([0, 2 * STEP]);
  const near = useMemo(() => [...new Set(lanes.flatMap((l) => (l.results || []).slice(...span).map((r) => r.id)))].filter((id) => answer.texts[id]?.picture), [answer, span]);
  const picture = usePictures(near);
  useEffect(() => {
    const look = () => {
      const list = box.current?.querySelector(".lane");
      if (!list) return;
      const start = Math.max(0, Math.floor(-list.getBoundingClientRect().top / ROW / STEP - 0.5) * STEP);
      const end = start + Math.ceil(window.innerHeight / ROW / STEP + 1.5) * STEP;
      setSpan((old) => (old[0] === start && old[1] === end ? old : [start, end]));
    };
    look();
    window.addEventListener("scroll", look, { passive: true });
    window.addEventListener("resize", look);
    return () => { window.removeEventListener("scroll", look); window.removeEventListener("resize", look); };
  }, [most]);
  const light = (n) => follow(box.current, n, ids, ranks, height);
  const over = (e) => light(e.target.closest?.("[data-n]")?.dataset.n ?? null);
  useLayoutEffect(() => { // what was drawn anew is no longer lit
    const n = box.current?.dataset.following;
    if (!n) return;
    delete box.current.dataset.following;
    light(ids[n] === undefined ? null : n);
  }, [answer, span]);
  const set = (n, text) => onPipelines((now) => now.map((p, i) => (i === n ? text : p)));
  const columns = pipelines.map((_, n) => (n ? `${GUTTER}px ` : "") + "minmax(230px, 1fr)").join(" ");
  const cells = (make, between) => pipelines.map((p, n) => html`${n > 0 && (between ? between(n) : html`<div></div>`)}${make(p, n)}`);
  return html`<div class="scroller"><div class="lanes ${busy ? "busy" : ""}" ref=${box} style=${{ gridTemplateColumns: columns }}
      onMouseOver=${over} onMouseLeave=${() => light(null)} onFocusIn=${over}>
    ${cells((p, n) => html`<${Editor} n=${n} text=${p} lane=${lanes[n]} names=${names} slides=${slides} onText=${(t) => set(n, t)}
      onRemove=${pipelines.length > 1 ? () => onPipelines(pipelines.filter((_, i) => i !== n)) : null} />`)}
    ${cells(
      (p, n) => html`<div class="holder"><div class="pane" aria-hidden="true"></div><ol class="lane" data-lane=${n} role="listbox" aria-label="results of pipeline ${HUES[n].toUpperCase()}">
        ${lanes[n]?.results && html`<${Space} rows=${Math.min(span[0], lanes[n].results.length)} />`}
        ${lanes[n]?.results?.slice(...span).map((r, i) => html`<${Row} key=${r.id} n=${number(r.id)} id=${r.id} rank=${span[0] + i + 1} value=${r.score} lane=${n}
          first=${i === 0} count=${lanes[n].results.length} text=${words(r.id)} by=${answer.texts[r.id]?.by}
          pictured=${pictures.has(r.id) || answer.texts[r.id]?.picture} picture=${pictures.get(r.id) ?? picture(r.id)} before=${before?.[n]?.[r.id]} chosen=${chosen.includes(r.id)} onChoose=${onChoose} />`)}
        ${lanes[n]?.results && html`<${Space} rows=${lanes[n].results.length - span[1]} />`}
        ${lanes[n]?.results?.length === 0 && html`<li class="empty">nothing found</li>`}</ol></div>`,
      (n) => lanes[n - 1] && lanes[n] ? html`<${Flow} gap=${n} left=${ranks[n - 1]} right=${ranks[n]} height=${height} span=${span} />` : html`<div></div>`)}
    ${cells((p, n) => html`<${Gone} lane=${lanes[n]} number=${number} words=${words} onChoose=${onChoose} />`)}
  </div>
  ${answer && lanes.some((l) => l.results && l.count > l.results.length) && html`<p class="more"><button onClick=${onMore}>Show more of each</button></p>`}
  </div>`;
}

/** What other lanes show and this one doesn't, with the reason. */
function Gone({ lane, number, words, onChoose }) {
  if (!lane?.results) return html`<div></div>`;
  const shown = new Set(lane.results.map((r) => r.id));
  const below = Object.entries(lane.ranks).filter(([id]) => !shown.has(id));
  const missing = Object.entries(lane.missing);
  if (!below.length && !missing.length) return html`<div></div>`;
  const item = (id, why) => html`<li data-n=${number(id)}><button class="plain" onClick=${() => onChoose(id, false)} title=${words(id).slice(0, 200)}>
    <bdi>${id.slice(0, 40)}</bdi> <span>${why}</span></button></li>`;
  return html`<details class="gone" open><summary>${below.length + missing.length} shown by others, not here</summary><ul>
    ${below.sort((a, b) => a[1] - b[1]).map(([id, rank]) => item(id, `rank ${rank}`))}
    ${missing.map(([id, why]) => item(id, why))}</ul></details>`;
}

/** One document: its text (to be edited, if it was pasted), its way through each pipeline, and what its score is made of. */
export function Detail({ id, other, answer, pipelines, explain, spectrum, picture, editable, onText, onClose, onOther }) {
  const document_ = answer.texts[id] || { text: "", length: 0 };
  const heading = useRef();
  useEffect(() => { heading.current?.focus(); }, [id]);
  return html`<aside class="detail" aria-label="document ${id}" onKeyDown=${(e) => e.key === "Escape" && onClose()}>
    <header><h2 tabindex="-1" ref=${heading}><bdi>${(spectrum ? document_.text : id).slice(0, 80)}</bdi></h2><button class="quiet" aria-label="close" onClick=${onClose}>×</button></header>
    ${picture ? html`<${Large} src=${picture} id=${id} />` : document_.picture && html`<${Fetched} id=${id} />`}
    ${spectrum && html`<${Spectrum} spectrum=${spectrum} ids=${other ? [id, other] : [id]} />`}
    ${spectrum ? null : editable
      ? html`<label class="edit">Edit it, and see it move<textarea dir="auto" rows="6" value=${editable.text} onInput=${(e) => onText(e.target.value)}></textarea></label>`
      : document_.text && html`<p class="text" dir="auto" tabindex="0">${document_.text}${document_.length > document_.text.length ? ` … (${document_.length.toLocaleString()} characters)` : ""}</p>`}
    ${answer.lanes.map((lane, n) => lane.results && html`<section><h3><span class="letter ${HUES[n]}">${HUES[n].toUpperCase()}</span> <code>${pipelines[n]}</code></h3>
      <ol class="path">${lane.steps.map((s, i) => {
        const at = lane.paths[id]?.[i];
        return html`<li><code>${s.name}</code>${at ? html`<b>rank ${at[0]}</b><span>${score(at[1])}</span>` : html`<em>not there</em>`}</li>`;
      })}</ol>
      ${lane.missing[id] && html`<p class="note">${lane.missing[id]}</p>`}
      <${Why} id=${id} other=${other} pipeline=${pipelines[n]} explain=${explain} text=${document_.text} /></section>`)}
    ${Object.keys(answer.texts).length > 1 && html`<label class="versus">Compare with <select value=${other || ""} onChange=${(e) => onOther(e.target.value || null)}>
      <option value="">no other document</option>
      ${Object.keys(answer.texts).filter((x) => x !== id).map((x) => html`<option value=${x}>${x.slice(0, 60)}</option>`)}
    </select></label>`}
  </aside>`;
}

/** The summands of a document's score as a bar, or why it stands above another one. */
function Why({ id, other, pipeline, explain, text }) {
  const [state, set] = useState({});
  const wanted = JSON.stringify([id, other, pipeline, text]);
  useEffect(() => {
    if (!explain) return undefined;
    let live = true;
    set({ wait: true });
    explain(pipeline, other ? [id, other] : [id]).then((v) => live && set({ value: v, of: wanted }), (e) => live && set({ error: e.message }));
    return () => { live = false; };
  }, [wanted, Boolean(explain)]);
  if (!explain || state.wait) return explain ? html`<p class="faint">explaining …</p>` : null;
  if (state.error) return html`<p class="faint">${state.error}</p>`;
  if (!state.value || state.of !== wanted) return null;
  const { document: own, difference } = state.value;
  if (difference) {
    return html`<div class="why"><p>${score(Math.abs(difference.score))} ${difference.score >= 0 ? "above" : "below"} <bdi>${other.slice(0, 40)}</bdi>:</p>
      <${Bars} parts=${difference.parts.map((p) => ({ name: p.name, contribution: p.difference }))} /></div>`;
  }
  if (!own || own.score === null) return null;
  return html`<div class="why"><p>${score(own.score)} is the sum of</p><${Bars} parts=${own.parts} text=${own.text} /></div>`;
}

function Bars({ parts, text }) {
  const [open, set] = useState(parts.length === 1 && parts[0].parts?.length ? 0 : null);
  const largest = Math.max(1e-12, ...parts.map((p) => Math.abs(p.contribution)));
  return html`<ul class="bars">${parts.slice(0, 40).map((p, n) => html`<li>
    <button class="plain" disabled=${!p.parts?.length} aria-expanded=${p.parts?.length ? String(open === n) : undefined} onClick=${() => set(open === n ? null : n)}>
      <span class="label" title=${p.note || p.name}>${p.name}${p.match ? ` ~ ${p.match}` : ""}${p.parts?.length ? " ▸" : ""}</span>
      <span class="track"><i class=${p.contribution < 0 ? "minus" : "plus"} style=${{ width: `${(50 * Math.abs(p.contribution)) / largest}%` }}></i></span>
      <span class="number">${p.contribution >= 0 ? "+" : "−"}${score(Math.abs(p.contribution))}</span></button>
    ${p.weight !== undefined && p.normalised !== undefined && html`<small>${score(p.weight)} × ${score(p.normalised)}${p.score === undefined ? "" : `, from ${score(p.score)}`}</small>`}
    ${(p.answers || []).map((a) => html`<blockquote dir="auto">${a.slice(0, 2000)}</blockquote>`)}
    ${open === n && html`${text && html`<${Lit} text=${text} parts=${p.parts} />`}<${Bars} parts=${p.parts} text=${text} />`}
  </li>`)}</ul>`;
}

/** A document's text with the tokens that count lit up. */
function Lit({ text, parts }) {
  const spans = parts.filter((p) => p.span && p.contribution > 0).sort((a, b) => a.span[0] - b.span[0]);
  const largest = Math.max(1e-12, ...spans.map((p) => p.contribution));
  const out = [];
  let at = 0;
  for (const p of spans) {
    if (p.span[0] < at) continue;
    out.push(text.slice(at, p.span[0]));
    out.push(html`<mark class="s${Math.ceil((4 * p.contribution) / largest)}" title="${p.name}: ${score(p.contribution)}">${text.slice(...p.span)}</mark>`);
    at = p.span[1];
  }
  return spans.length ? html`<p class="lit" dir="auto">${out}${text.slice(at, at + 1500)}</p>` : null;
}
