// Calls of the API, which lies beside the page.

const API = new URL("v2/", document.baseURI);

// The API refused a call: the status, and message, data and request id of the envelope.
export class Refused extends Error {
  constructor(method, status, envelope, headers) {
    super(envelope.message ?? `status ${status}`);
    this.method = method;
    this.status = status;
    this.data = envelope.data ?? {};
    this.requestId = envelope.request_id ?? null;
    this.retryAfter = headers.get("Retry-After");
    this.outcomeUnknown = (headers.get("Warning") ?? "").startsWith("199");
  }
}

// The service did not answer.
export class Unreachable extends Error {}

let token = null;
let ended = () => {};

export function useToken(value) {
  token = value;
}

// What to do when the API no longer accepts the token.
export function onEnded(action) {
  ended = action;
}

// Makes a call; the envelope of the reply, with its entity tag and whether its data may be outdated.
export async function call(method, path, { data, match, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (token !== null) headers["X-Auth-Token"] = token;
  if (match) headers["If-Match"] = match;
  if (data !== undefined) headers["Content-Type"] = "application/json";
  const body = data === undefined ? undefined : JSON.stringify({ data });
  const reply = await send(path, { method, headers, body, signal });
  const envelope = await read(reply);
  if (!reply.ok) {
    if (reply.status === 401 && token !== null) ended();
    throw new Refused(method, reply.status, envelope, reply.headers);
  }
  return {
    ...envelope,
    etag: reply.headers.get("ETag"),
    stale: (reply.headers.get("Warning") ?? "").startsWith("110"),
  };
}

export async function get(path, options) {
  return (await call("GET", path, options)).data;
}

// A picture as the address of its bytes, to be revoked; null where there is none. The browser's copy is revalidated.
export async function picture(path) {
  const reply = await send(path, { headers: { "X-Auth-Token": token }, cache: "no-cache" });
  return reply.ok ? URL.createObjectURL(await reply.blob()) : null;
}

async function send(path, options) {
  try {
    return await fetch(new URL(path, API), { credentials: "omit", referrerPolicy: "no-referrer", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable(error.message);
  }
}

async function read(reply) {
  try {
    return await reply.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    // Something between the page and the service has answered.
    return {};
  }
}
