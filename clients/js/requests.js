// Requests of the transport: their errors, and pauses between them.

/** A request that the API refused. */
export class OutliveError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.message ?? problem.title ?? `the API answered ${status}`);
    this.name = "OutliveError";
    this.status = status;
    this.code = problem.code;
    this.field = problem.field;
    this.activeRunId = problem.active_run_id;
    this.answeredBy = problem.answered_by;
  }
}

export function isTransient(failure) {
  if (!(failure instanceof OutliveError)) return true;
  return failure.status === 429 || (failure.status >= 500 && failure.code !== "model_not_configured");
}

/** Throws if the response is no event stream: another server's page would be requested again and again. */
export function checkStream(response) {
  if ((response.headers.get("content-type") ?? "").startsWith("text/event-stream")) return;
  throw new OutliveError(response.status, { detail: "the response is no stream; is baseUrl the API's address?" });
}

export async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return {};
  }
}

export function plain(headers) {
  return headers ? Object.fromEntries(new Headers(headers)) : {};
}

export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}
