// The error dialog for failed calls.

import { fill, item, one } from "./elements.js";
import { Failure } from "./api.js";

export function showFailure(error) {
  if (!(error instanceof Failure)) throw error;
  const { status, body } = error.reply;
  const dialog = one("#error");
  one("h2", dialog).textContent = headline(status);
  fill(one("ul", dialog), messages(status, body).map((text) => item(text)));
  one(".request", dialog).textContent = body.request_id ? `Request ${body.request_id}` : "";
  one("button", dialog).onclick = () => dialog.close();
  dialog.showModal();
}

function headline(status) {
  if (status === 0) return "The server cannot be reached.";
  if (status === 400 || status === 413) return "Invalid Data:";
  return `Oops! Something went wrong (${status}).`;
}

// The texts come from the objects in ``data``, one for each rule that a field violates, never from ``message``.
function messages(status, { data, message }) {
  if (typeof data === "string" && typeof message === "string") return [message];
  if (typeof data !== "object" || data === null) return [];
  if (status === 400 || status === 413) {
    return Object.entries(data).flatMap(([field, rules]) => ruleTexts(rules).map((text) => `${field}: ${text}`));
  }
  return ruleTexts(data);
}

function ruleTexts(rules) {
  if (typeof rules !== "object" || rules === null) return [];
  return Object.values(rules).flatMap((rule) => (rule && typeof rule === "object" && rule.message ? [rule.message] : []));
}
