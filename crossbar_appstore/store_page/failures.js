// What went wrong, in words.

import { Refused, Unreachable } from "./api.js";
import { el, notice } from "./elements.js";
import { hasText, t } from "./texts.js";

const BY_STATUS = { 401: "ended", 403: "forbidden", 404: "missing", 409: "conflict", 412: "changed", 413: "tooLarge" };

// The texts of a failure: first what happened, then details.
export function failureTexts(error) {
  if (error instanceof Unreachable) return [t("failure.unreachable")];
  if (!(error instanceof Refused)) return [t("failure.page"), String(error.message ?? error)];
  if (hasText(`failure.${error.message}`)) return [t(`failure.${error.message}`)];
  if (error.status === 400) return [t("failure.invalid"), ...invalid(error.data)];
  if (error.status === 429) return [t("failure.tooMany", { seconds: error.retryAfter ?? "60" })];
  if (error.status === 503) return [t(away(error))];
  const key = BY_STATUS[error.status];
  if (key !== undefined) return [t(`failure.${key}`)];
  const id = error.requestId === null ? [] : [t("failure.requestId", { id: error.requestId })];
  return [t("failure.other", { status: error.status }), ...id];
}

export function failure(error, ...actions) {
  const [first, ...others] = failureTexts(error);
  return notice("error", el("p", {}, first), others.map((text) => el("p", { class: "detail" }, text)), ...actions);
}

function away(error) {
  if (error.method === "GET") return "failure.away";
  return error.outcomeUnknown ? "failure.unknownOutcome" : "failure.awayChange";
}

function invalid(data) {
  if (typeof data !== "object" || data === null) return [];
  return Object.entries(data).flatMap(([field, rules]) =>
    Object.values(typeof rules === "object" && rules !== null ? rules : {})
      .map((rule) => rule?.message)
      .filter((message) => typeof message === "string")
      .map((message) => `${field}: ${message}`),
  );
}
