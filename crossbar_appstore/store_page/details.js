// The details of an app: texts, screenshots, links, and who may use it.

import { openDialog } from "./dialogs.js";
import { el } from "./elements.js";
import { explanation } from "./explanation.js";
import { permission } from "./permission.js";
import { icon } from "./pictures.js";
import { screenshots } from "./screenshots.js";
import { formatNumber, hasText, t } from "./texts.js";
import { phaseOf } from "./tiles.js";

// Opens the details; changed: called after each change of the app.
export function openDetails(store, app, changed) {
  const { label, description, extended, features, language } = app.texts;
  const accountId = app.isHidden ? store.session.own.id : store.account.id;
  const texts = { dir: "auto", lang: language };
  const heading = el("h2", { ...texts, tabindex: "-1" }, label);
  const body = el("div", { class: "content" },
    el("header", {}, icon(accountId, app, label),
      el("div", { class: "title" }, heading, el("p", { class: "by" }, phaseOf(app), facts(app)))),
    description !== "" && el("p", { class: "lead", ...texts }, description),
    el("div", { class: "columns" },
      el("div", { class: "side" },
        !app.isHidden && permission(store, app, changed),
        store.isBelow && explanation(store, app)),
      el("div", { class: "texts" },
        extended !== "" && extended !== description && el("p", { class: "extended", ...texts }, extended),
        features.length > 0 && section(t("details.features"),
          el("ul", { class: "features", ...texts }, features.map((feature) => el("li", {}, feature)))),
        screenshots(accountId, app, label),
        links(app))),
  );
  const dialog = openDialog("details", heading, body);
  heading.focus();
  return dialog;
}

function facts(app) {
  const price = typeof app.price === "number" ? (app.price === 0 ? t("details.free") : formatNumber(app.price)) : null;
  const shown = [["author", app.author], ["version", app.version], ["licence", app.license], ["price", price]];
  return shown
    .filter(([, value]) => typeof value === "string" && value !== "")
    .map(([name, value]) => el("span", { class: "fact" },
      el("span", { class: isNamed(name, app) ? "" : "visually-hidden" }, `${t(`details.${name}`)} `), el("bdi", {}, value)));
}

// Whether a value needs its name before it to be understood.
function isNamed(name, app) {
  return name === "version" || (name === "price" && app.price !== 0);
}

function links(app) {
  const shown = Object.entries(typeof app.urls === "object" && app.urls !== null ? app.urls : {}).filter(([, url]) => isWeb(url));
  return shown.length > 0 && section(t("details.links"),
    el("ul", { class: "links" }, shown.map(([name, url]) =>
      el("li", {}, el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, hasText(`link.${name}`) ? t(`link.${name}`) : name)))));
}

function section(heading, ...content) {
  return el("section", {}, el("h3", {}, heading), content);
}

function isWeb(url) {
  return typeof url === "string" && URL.canParse(url) && ["http:", "https:"].includes(new URL(url).protocol);
}
