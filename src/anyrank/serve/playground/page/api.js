// Requests to the server that the page came from; a key is asked for where the server wants one.

export class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

let key = sessionStorage.getItem("anyrank.key") || "";

export function setKey(value) {
  key = value.trim();
  sessionStorage.setItem("anyrank.key", key);
}

async function answer(response) {
  let body = {};
  try { body = await response.json(); } catch (e) {
    if (response.ok) throw e; // aborted, or cut off; of an error the status says enough
  }
  if (!response.ok) throw new Refused(response.status, body.message || `the server answered ${response.status}`);
  return body;
}

const headers = () => (key ? { Authorization: `Bearer ${key}` } : {});

export const info = async () => answer(await fetch("play/info", { headers: headers() }));

export async function post(name, body, signal) {
  const init = { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers() } };
  return answer(await fetch(`play/${name}`, { ...init, signal }));
}
