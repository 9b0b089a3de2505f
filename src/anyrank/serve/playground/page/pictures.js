// Pictures of documents: those of the index are asked for by the ids of their documents, in small requests.
import { html, useEffect, useRef, useState } from "./preact.js";
import { post } from "./api.js";

const AT_ONCE = 8;
const small = new Map(); // what the lists have shown: a data: URL by id, "" where there is none to show

/** The thumbnail of a document of the index, if it was shown. */
export const thumbnail = (id) => small.get(id) || undefined;

/**
 * Asks for the pictures of documents of the index, each once; `ids` is the same array as long as they are the same.
 * Returns what is known of an id: a data: URL, "" if its picture can't be shown, undefined on the way.
 */
export function usePictures(ids, large = false) {
  const known = useRef(large ? new Map() : small);
  const [, drawn] = useState(0);
  useEffect(() => {
    const wanted = ids.filter((id) => !known.current.has(id));
    let live = wanted.length > 0;
    (async () => {
      for (let i = 0; i < wanted.length && live; i += AT_ONCE) {
        const some = wanted.slice(i, i + AT_ONCE);
        try {
          const { pictures } = await post("pictures", large ? { ids: some, large } : { ids: some });
          if (large) known.current.clear();
          for (const id of some) known.current.set(id, pictures[id] || "");
        } catch { // a list asks again when it moves
          if (!large) return;
          known.current.set(some[0], "");
        }
        if (live) drawn((d) => d + 1);
      }
    })();
    return () => { live = false; };
  }, [ids]);
  return (id) => known.current.get(id);
}

/** A picture in a list, or its place: names and texts beside it say what it is. */
export function Thumbnail({ src }) {
  const [broken, set] = useState(null);
  if (src === undefined) return html`<span class="picture waiting" aria-hidden="true"></span>`;
  if (!src || broken === src) return html`<span class="picture none" role="img" aria-label="picture that can't be shown" title="This picture can't be shown"></span>`;
  return html`<img class="picture" src=${src} alt="" decoding="async" onError=${() => set(src)} />`;
}

/** The picture of one document, or why there is none. */
export function Large({ src, id }) {
  const [broken, set] = useState(null);
  if (src === undefined) return html`<p class="faint">fetching the picture …</p>`;
  if (!src || broken === src) return html`<p class="faint">Its picture can't be shown: the file is gone, too large or no picture, or lies where this server doesn't look (a URL, another folder).</p>`;
  return html`<img class="large" src=${src} alt="picture of ${id.slice(0, 80)}" decoding="async" onError=${() => set(src)} />`;
}

/** The picture of a document of the index, in full. */
export function Fetched({ id }) {
  const [ids, set] = useState([id]);
  useEffect(() => { set((old) => (old[0] === id ? old : [id])); }, [id]);
  const picture = usePictures(ids, true);
  return html`<${Large} src=${picture(id)} id=${id} />`;
}
