// Who calls: a token that was pasted or came in the address, kept in this tab alone.

const KEPT = "outlive.token";
const claim = document.querySelector("meta[name=workspace-claim]").content;

let token = null;
let said = null;
let refused = false;
let waiting = [];
const listeners = [];

/** The claims of a token, without a look at its signature: that is the gateway's. Null if it is no token. */
function claimsOf(text) {
  try {
    const [, body] = text.split(".");
    const bytes = Uint8Array.from(atob(body.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return text.split(".").length === 3 && typeof claims === "object" ? claims : null;
  } catch {
    return null;
  }
}

export const expired = () => Boolean(said?.exp) && said.exp * 1000 <= Date.now();
export const usable = () => token !== null && !refused && !expired();
export const current = () => token;
export const onChange = (listener) => listeners.push(listener);

/** User, workspace, and when the token ends, as it says itself; null without a token. */
export function who() {
  return said && { user: String(said.sub ?? ""), workspace: String(said[claim] ?? ""), until: said.exp ?? null };
}

/** What is remembered on this device is kept under this: another user of the browser does not find it. */
export const scope = () => (said ? [said.iss, said[claim], said.sub].map((one) => encodeURIComponent(one ?? "")).join("/") : "");

/** Take `text` as the token from now on. False, and nothing changes, if it is none. */
export function take(text) {
  const bare = text.trim().replace(/^Bearer\s+/i, "");
  const claims = claimsOf(bare);
  if (!claims) return false;
  [token, said, refused] = [bare, claims, false];
  sessionStorage.setItem(KEPT, bare);
  const all = waiting;
  waiting = [];
  if (usable()) all.forEach((go) => go());
  else waiting = all;
  listeners.forEach((listener) => listener());
  return true;
}

/** The gateway did not accept `text`; if that is still the token, a new one is asked for. */
export function refuse(text) {
  if (text !== token || refused) return;
  refused = true;
  listeners.forEach((listener) => listener());
}

export function forget() {
  [token, said, refused] = [null, null, false];
  sessionStorage.removeItem(KEPT);
  listeners.forEach((listener) => listener());
}

/** Settles when there is a usable token; rejects when `signal` is aborted. */
export function fresh(signal) {
  if (usable()) return Promise.resolve();
  return new Promise((go, fail) => {
    waiting.push(go);
    signal?.addEventListener("abort", () => fail(signal.reason), { once: true });
  });
}

/** What the address says: `#token=…` is taken and leaves it at once, `#chat=…` stays. */
export function fromAddress() {
  const named = new URLSearchParams(location.hash.slice(1));
  const given = named.get("token");
  if (given !== null) {
    named.delete("token");
    const rest = named.toString();
    history.replaceState(null, "", location.pathname + location.search + (rest ? `#${rest}` : ""));
  }
  const kept = sessionStorage.getItem(KEPT);
  if (!(given && take(given)) && token === null && kept) take(kept);
  return named.get("chat");
}
