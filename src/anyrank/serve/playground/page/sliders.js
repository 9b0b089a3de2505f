// Sliders over the numbers of a pipeline's text. Moving one changes the text; what it gives is computed by the server
// from stored scores.
import { html, useRef, useState } from "./preact.js";
import { post } from "./api.js";

const LETTERS = "ABCD";
const short = (x) => String(Number(x.toFixed(2)));

/** The numbers of a lane's pipeline: `pieces` of text around its `knobs`; null while the text is another one. */
export const shapeOf = (text, lane, moved) =>
  moved?.text === text ? moved : lane?.knobs && lane.text === text.trim() ? { text, pieces: lane.pieces, knobs: lane.knobs } : null;

/** The shape with another value of one knob. A weight of 1 that was not written is written then. */
export function turned({ pieces, knobs }, at, value) {
  const texts = [...pieces];
  if (!knobs[at].written) texts[at + 1] = ` * ${texts[at + 1]}`;
  const moved = knobs.map((k, i) => (i === at ? { ...k, value, written: true } : k));
  const text = texts.map((piece, i) => piece + (moved[i] && moved[i].written ? short(moved[i].value) : "")).join("");
  return { text, pieces: texts, knobs: moved };
}

/**
 * The state of sliding. `body` makes a request of pipelines, `keyOf` names what they are run for; `onPipelines` and
 * `onAnswer` get new texts and what they give. Before the first move the server scores what the sliders can reach; a
 * move itself never lets it call a model.
 */
export function useSlides({ body, keyOf, pipelines, ranks, onPipelines, onAnswer, onError }) {
  const [note, setNote] = useState("");
  const box = useRef({});
  const current = () => box.current;

  function begin() {
    const s = current();
    if (s.filling || s.filled) return;
    s.filled = true;
    setNote("scoring what the sliders reach …");
    s.filling = post("slide", { ...body(pipelines), fill: true })
      .then(() => s === current() && setNote("live, from stored scores"), (e) => { setNote(""); onError(e.message); })
      .finally(() => { s.filling = null; });
  }

  async function fill(texts) {
    const s = current();
    s.missing = false;
    setNote("scoring what is new here …");
    try {
      const answer = await post("slide", { ...body(texts), fill: true, since: s.since });
      if (s === current() && !s.next) { onAnswer(answer, s.ranks); setNote("live, from stored scores"); }
    } catch (e) { onError(e.message); }
  }

  async function slide(n, shape) {
    const s = current();
    s.since ??= pipelines;
    s.ranks ??= ranks();
    s.shapes = { ...s.shapes, [n]: shape };
    s.released = false;
    s.next = pipelines.map((p, i) => (i === n ? shape.text : p));
    (s.handled ??= new Set()).add(keyOf(s.next));
    onPipelines(s.next);
    if (s.flying) return;
    s.flying = true;
    while (s.next && s === current()) {
      await s.filling;
      const texts = s.next;
      s.next = null;
      try {
        const answer = await post("slide", { ...body(texts), since: s.since });
        s.missing = Boolean(answer.unscored);
        if (!s.missing) { if (s === current()) onAnswer(answer, s.ranks); }
        else if (s.released) await fill(texts);
        else setNote("let go: then what is new here is scored");
      } catch (e) { onError(e.message); }
    }
    s.flying = false;
  }

  function end() {
    const s = current();
    s.released = true;
    if (s.missing && !s.flying) fill(pipelines);
  }

  return {
    note, begin, slide, end,
    shapes: () => current().shapes || {},
    since: () => current().since,
    /** Whether these pipelines are answered by a slider's move, so that they need no run. Else a new start. */
    handles(key) {
      if (current().handled?.has(key)) return true;
      box.current = {};
      setNote("");
      return false;
    },
    /** Asks again for the present pipelines, after more was scored. */
    async again() {
      const answer = await post("slide", { ...body(pipelines), since: current().since });
      if (!answer.unscored) onAnswer(answer, current().ranks);
    },
  };
}

export const signed = (x) => `${x >= 0 ? "+" : "−"}${Math.abs(x).toFixed(4)}`;

/** What all judged queries say of a pipeline, and of the way since the first move. */
export function Quality({ quality, since }) {
  if (!quality) return null;
  const { mean, low, high, gain, queries } = quality;
  const clear = gain.low > 0 ? "up" : gain.high < 0 ? "down" : "";
  return html`<p class="quality" title="mean over ${queries} judged queries, and its 95 % interval">nDCG@10 <b>${mean.toFixed(4)}</b> <span class="faint">[${low.toFixed(3)}, ${high.toFixed(3)}]</span>
    ${since && html`<span class="gain">since you began <b class=${clear}>${signed(gain.mean)}</b> <span class="faint">[${signed(gain.low)}, ${signed(gain.high)}]</span></span>`}</p>`;
}

export function Sliders({ n, shape, slides }) {
  if (!shape?.knobs.length) return null;
  const letter = LETTERS[n];
  const keys = (e) => /^(Arrow|Page|Home|End)/.test(e.key) && slides.begin();
  return html`<div class="sliders" role="group" aria-label="sliders of pipeline ${letter}">
    ${shape.knobs.map((k, i) => html`<label class="slider">
      <span class="what" title=${k.label}>${k.kind === "weight" ? "" : "best of "}<code>${k.label}</code></span>
      <input type="range" min=${k.kind === "weight" ? 0 : 1} max=${k.most} step=${k.kind === "weight" ? 0.05 : 1} value=${k.value}
        aria-label="${k.kind === "weight" ? "weight of" : "how many are kept of"} ${k.label} in pipeline ${letter}"
        onPointerDown=${slides.begin} onKeyDown=${keys} onInput=${(e) => slides.slide(n, turned(shape, i, Number(e.target.value)))} onChange=${slides.end} />
      <output>${k.kind === "weight" ? k.value.toFixed(2) : k.value}</output></label>`)}
  </div>`;
}
