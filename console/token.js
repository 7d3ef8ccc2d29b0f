// The caller's token: pasted or taken from the address, stored in this tab alone.

const STORAGE_KEY = "outlive.token";
const workspaceClaim = document.querySelector("meta[name=workspace-claim]").content;

let token = null;
let claims = null;
let isRefused = false;
const changes = new EventTarget();
const notify = () => changes.dispatchEvent(new Event("change"));

/** The claims of a token, or null if `text` is no token. The signature is not checked: the gateway does that. */
function claimsOf(text) {
  try {
    const [, body] = text.split(".");
    const bytes = Uint8Array.from(atob(body.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const parsed = JSON.parse(new TextDecoder().decode(bytes));
    return text.split(".").length === 3 && typeof parsed === "object" ? parsed : null;
  } catch {
    return null;
  }
}

export const current = () => token;
export const isExpired = () => Boolean(claims?.exp) && claims.exp * 1000 <= Date.now();
export const isUsable = () => token !== null && !isRefused && !isExpired();

/** Calls `listener` whenever the token is replaced, refused or removed. */
export const onChange = (listener) => changes.addEventListener("change", listener);

/** User, workspace and expiry (seconds since 1970, or null) as the token claims them; null without a token. */
export function identity() {
  return (
    claims && {
      user: String(claims.sub ?? ""),
      workspace: String(claims[workspaceClaim] ?? ""),
      expiresAt: claims.exp ?? null,
    }
  );
}

/** Prefixes everything this device stores, so that another user of the browser does not see it. */
export const scope = () =>
  claims
    ? [claims.iss, claims[workspaceClaim], claims.sub].map((claim) => encodeURIComponent(claim ?? "")).join("/")
    : "";

/** Makes `text` the token. Returns false and changes nothing if `text` is no token. */
export function accept(text) {
  const bare = text.trim().replace(/^Bearer\s+/i, "");
  const parsed = claimsOf(bare);
  if (!parsed) return false;
  [token, claims, isRefused] = [bare, parsed, false];
  sessionStorage.setItem(STORAGE_KEY, bare);
  notify();
  return true;
}

/** Records that the gateway refused `text`, unless another token has replaced it since. */
export function refuse(text) {
  if (text !== token || isRefused) return;
  isRefused = true;
  notify();
}

export function remove() {
  [token, claims, isRefused] = [null, null, false];
  sessionStorage.removeItem(STORAGE_KEY);
  notify();
}

/** Resolves when there is a usable token. Rejects when `signal` aborts. */
export function whenUsable(signal) {
  return new Promise((resolve, reject) => {
    const check = () => {
      if (!isUsable()) return;
      changes.removeEventListener("change", check);
      resolve();
    };
    changes.addEventListener("change", check);
    check();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Reads the address: accepts and removes `#token=…`, and returns the ids of `#chat=…` and `#run=…`, "" without them. */
export function readAddress() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const given = parameters.get("token");
  if (given !== null) {
    parameters.delete("token");
    const rest = parameters.toString();
    history.replaceState(null, "", location.pathname + location.search + (rest ? `#${rest}` : ""));
  }
  const stored = sessionStorage.getItem(STORAGE_KEY);
  if (!(given && accept(given)) && token === null && stored) accept(stored);
  return { chatId: parameters.get("chat") ?? "", runId: parameters.get("run") ?? "" };
}
