// The page: the login, or the store of an account.

import { onEnded } from "./api.js";
import { openAccounts } from "./accounts.js";
import { Store } from "./apps.js";
import { openBlacklist } from "./blacklist.js";
import { openDetails } from "./details.js";
import { button, el, notice, shape, shapeButton } from "./elements.js";
import { failure } from "./failures.js";
import { loginView } from "./login.js";
import { forgetPictures } from "./pictures.js";
import { keepPlace, keptPlace, logOut, resume } from "./session.js";
import { chooseLanguage, chosenLanguage, languages, loadTexts, pageLanguage, t } from "./texts.js";
import { Tiles } from "./tiles.js";

let current = null;

function show(view, ...content) {
  document.body.dataset.view = view;
  document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
  document.body.replaceChildren(...content.filter(Boolean));
}

function showLogin({ ended = false } = {}) {
  current?.leave();
  current = null;
  const languageChoice = languageSelect([], () => showLogin({ ended }));
  const view = loginView((session) => enter(session, session.own), { ended, languageChoice });
  show("login", view.element);
  document.title = t("title");
  view.focus();
}

function leave() {
  logOut();
  showLogin();
}

function enter(session, account) {
  current?.leave();
  keepPlace(account);
  current = new Place(session, account);
  return current.load();
}

// The store of one account.
class Place {
  constructor(session, account) {
    this.store = new Store(session, account);
    this.loading = new AbortController();
    this.messages = el("div", { class: "messages" });
    this.show();
  }

  show() {
    const { store } = this;
    this.tiles = new Tiles(store, (app) => openDetails(store, app, (changed) => this.tiles.update(changed)), () => this.load());
    show("store", el("a", { class: "skip", href: "#apps" }, t("apps.heading")), this.header(),
      store.isBelow && this.strip(), el("main", { id: "apps", tabindex: "-1" }, this.messages, this.tiles.element));
    document.title = `${store.account.name} – ${t("title")}`;
    // What had the focus is gone.
    document.getElementById("apps").focus({ preventScroll: true });
  }

  async load() {
    this.loading.abort();
    const { signal } = (this.loading = new AbortController());
    this.messages.replaceChildren();
    this.tiles.showLoading();
    try {
      await this.store.load(signal);
    } catch (error) {
      if (!signal.aborted) this.fail(error);
      return;
    }
    this.messages.replaceChildren(...(this.store.stale ? [notice("info", el("p", {}, t("apps.stale")))] : []));
    // The apps may have texts in more languages than the page.
    document.getElementById("language").replaceWith(this.languages());
    this.tiles.show();
  }

  languages() {
    return languageSelect(this.store.apps, () => {
      this.store.sort();
      this.show();
      this.tiles.show();
      document.getElementById("language").focus();
    });
  }

  fail(error) {
    this.tiles.list.replaceChildren();
    this.tiles.list.removeAttribute("aria-busy");
    this.tiles.count.textContent = "";
    this.messages.replaceChildren(failure(error, button(t("retry"), () => this.load())));
  }

  leave() {
    this.loading.abort();
    forgetPictures();
  }

  header() {
    const { session, account } = this.store;
    const name = account.name;
    return el("header", { class: "bar" },
      el("div", { class: "brand" }, el("span", { class: "mark", "aria-hidden": "true" }), el("span", { class: "brand-name" }, t("title"))),
      session.hasAccountsBelow
        ? el("button", {
            type: "button", class: "account", id: "account", title: t("accounts.choose"),
            onclick: () => openAccounts(this.store, (chosen) => enter(session, chosen)),
          }, shape("account"), el("span", { class: "visually-hidden" }, `${t("accounts.choose")}: `), el("bdi", {}, name), shape("down"))
        : el("span", { class: "account" }, shape("account"), el("bdi", {}, name)),
      el("div", { class: "end" }, this.languages(), session.userName !== "" && el("span", { class: "who" }, session.userName),
        shapeButton("out", t("login.out"), leave)));
  }

  strip() {
    const { session, account } = this.store;
    return el("div", { class: "strip" },
      el("p", {}, `${t("accounts.working")} `, el("strong", {}, el("bdi", {}, account.name))),
      button(t("blacklist.open"), () => openBlacklist(this.store, () => this.load()), { class: "button small" }),
      button(t("accounts.back", { account: session.own.name }), () => enter(session, session.own), { class: "button small" }));
  }
}

function languageSelect(apps, chosen) {
  const now = chosenLanguage();
  const offered = languages(apps);
  const selected = offered.some(([tag]) => tag === now) ? now : pageLanguage();
  return el("select", {
    id: "language", "aria-label": t("language"),
    onchange: async (event) => {
      await chooseLanguage(event.target.value);
      chosen();
    },
  }, offered.map(([tag, name]) => el("option", { value: tag, lang: tag, selected: tag === selected }, name)));
}

async function start() {
  await loadTexts();
  onEnded(() => {
    logOut();
    showLogin({ ended: true });
  });
  let session = null;
  try {
    session = await resume();
  } catch (error) {
    if (document.body.dataset.view === "login") return;
    show("failed", el("main", { class: "login-page" },
      el("div", { class: "card" }, failure(error, button(t("retry"), start), button(t("login.out"), leave)))));
    return;
  }
  if (session === null) showLogin();
  else await enter(session, session.isAdmin ? (keptPlace() ?? session.own) : session.own);
}

start().catch((error) => {
  // Without texts, or where the browser keeps nothing for this page.
  console.error(error);
  show("failed", notice("error", el("p", {}, "This page cannot start. / Diese Seite kann nicht starten.")));
});
