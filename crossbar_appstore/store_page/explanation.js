// Why an account sees an app or not.

import { get } from "./api.js";
import { button, el, shape } from "./elements.js";
import { failure } from "./failures.js";
import { hasText, t } from "./texts.js";

export function explanation(store, app) {
  const content = el("div", {});
  const details = el("details", { class: "panel explanation" }, el("summary", {}, t("explain.heading")), content);
  const load = async () => {
    content.replaceChildren(el("p", { class: "muted", role: "status" }, t("loading")));
    try {
      content.replaceChildren(...shown(store, await get(store.path(app.id, "explain"))));
    } catch (error) {
      content.replaceChildren(failure(error, button(t("retry"), load)));
    }
  };
  details.addEventListener("toggle", () => details.open && load());
  // For a hidden app it is what one wants to know.
  if (app.isHidden) details.open = true;
  return details;
}

function shown(store, explained) {
  const { reasons } = explained;
  const last = reasons.map((reason) => reason.rule).lastIndexOf(explained.decided_by);
  return [
    el("p", {}, t(explained.visible ? "explain.shown" : "explain.hidden", { account: store.account.name })),
    el("ol", { class: "reasons" }, reasons.map((reason, index) => {
      const name = reason.authority === "vendor_account" ? "vendor" : reason.rule;
      const key = `explain.${name}.${reason.visible}`;
      const looks = reason.rule === "override";
      return el("li", { class: looks ? "" : reason.visible ? "shows" : "hides" },
        shape(looks ? "account" : reason.visible ? "check" : "cross"),
        el("span", {}, hasText(key) ? t(key) : `${reason.rule}: ${t(reason.visible ? "explain.shows" : "explain.hides")}`,
          index === last && el("span", { class: "decides" }, t("explain.decides"))));
    })),
  ];
}
