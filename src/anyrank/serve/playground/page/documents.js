// Documents as people have them: lines, JSON, JSONL, CSV and TSV become {id, text}; and links that hold a state.

const TEXTS = ["text", "body", "content", "passage", "contents", "document", "abstract"];
/** Pictures within documents are shown; nothing else is loaded for one. */
export const PICTURE = /^data:image\/(png|jpeg|gif|webp|bmp);base64,[A-Za-z0-9+/=]+$/;
const IDS = ["id", "_id", "docno", "doc_id", "docid", "pid"];

function fromObject(value, n) {
  if (typeof value === "string") return { id: String(n), text: value };
  if (value === null || typeof value !== "object") return { id: String(n), text: String(value) };
  const id = IDS.map((k) => value[k]).find((v) => v !== undefined && v !== null);
  const body = TEXTS.map((k) => value[k]).find((v) => typeof v === "string");
  const rest = Object.entries(value).filter(([k, v]) => typeof v === "string" && v !== id && k !== "image").map(([, v]) => v).join("\n");
  const text = [value.title, body ?? rest].filter((v) => typeof v === "string" && v).join("\n");
  const image = PICTURE.test(value.image) ? { image: value.image } : {};
  return { id: String(id ?? n), text, ...image };
}

/** Rows of a delimited table: quotes may hold delimiters and line ends. */
export function cells(text, delimiter) {
  const rows = [[]];
  let cell = "", quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') { cell += '"'; i++; }
      else quoted = false;
    } else if (c === '"' && cell === "") quoted = true;
    else if (c === delimiter) { rows.at(-1).push(cell); cell = ""; }
    else if (c === "\n") { rows.at(-1).push(cell.replace(/\r$/, "")); rows.push([]); cell = ""; }
    else cell += c;
  }
  rows.at(-1).push(cell);
  return rows.filter((r) => r.length > 1 || r[0] !== "");
}

function distinct(documents) {
  const seen = new Map();
  return documents.filter((d) => d.text.trim()).map((d) => {
    const count = seen.get(d.id) || 0;
    seen.set(d.id, count + 1);
    return count ? { ...d, id: `${d.id} (${count + 1})` } : d;
  });
}

/** Documents of a pasted or dropped text; `name` is that of its file. Throws an Error that says what is wrong. */
export function readDocuments(text, name = "") {
  const start = text.trimStart()[0];
  if (start === "[" || (start === "{" && /\.json$/i.test(name))) {
    const value = JSON.parse(text);
    const list = Array.isArray(value) ? value : value.documents || value.ranking || value.results;
    if (!Array.isArray(list)) throw new Error("no list of documents in this JSON");
    return distinct(list.map(fromObject));
  }
  const lines = text.split(/\r?\n/).filter((l) => l.trim());
  if (start === "{") {
    return distinct(lines.map((line, n) => {
      try { return fromObject(JSON.parse(line), n); } catch (e) { throw new Error(`line ${n + 1}: ${e.message}`); }
    }));
  }
  if (/\.(csv|tsv)$/i.test(name)) {
    const rows = cells(text, /\.tsv$/i.test(name) ? "\t" : ",");
    const head = rows[0].map((c) => c.trim().toLowerCase());
    if (!head.some((c) => TEXTS.includes(c) || IDS.includes(c) || c === "title")) {
      return distinct(rows.map((r, n) => (r.length > 1 ? { id: r[0], text: r.slice(1).join("\n") } : fromObject(r[0], n))));
    }
    return distinct(rows.slice(1).map((r, n) => fromObject(Object.fromEntries(head.map((h, i) => [h, r[i]])), n)));
  }
  return distinct(lines.map((line, n) => ({ id: String(n), text: line })));
}

const bytes64 = (bytes) => {
  let out = "";
  for (const b of bytes) out += String.fromCharCode(b);
  return btoa(out).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
};

async function through(stream, data) {
  return new Uint8Array(await new Response(new Blob([data]).stream().pipeThrough(stream)).arrayBuffer());
}

/** A state as a short text for a link, and back (null if it can't be read). */
export const packed = async (state) =>
  bytes64(await through(new CompressionStream("deflate-raw"), new TextEncoder().encode(JSON.stringify(state))));

export async function unpacked(text) {
  try {
    const raw = Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(await through(new DecompressionStream("deflate-raw"), raw)));
  } catch { return null; }
}

export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
