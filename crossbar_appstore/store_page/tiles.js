// The apps as tiles, with a search and filters.

import { isInstalled, chosenUsers } from "./apps.js";
import { button, debounced, el, shape } from "./elements.js";
import { icon } from "./pictures.js";
import { t } from "./texts.js";

const PAUSE = 120;

export class Tiles {
  // open: called with an app whose tile is activated. reload: reads the apps again.
  constructor(store, open, reload) {
    this.store = store;
    this.open = open;
    this.tiles = new Map();
    this.count = el("p", { class: "count", role: "status" });
    this.list = el("ul", { class: "tiles", role: "list" });
    this.empty = el("div", {});
    this.search = el("input", {
      type: "search",
      id: "search",
      placeholder: t("apps.search"),
      "aria-label": t("apps.search"),
      autocomplete: "off",
      spellcheck: "false",
      oninput: debounced(() => this.set("search", this.search.value), PAUSE),
    });
    this.reload = reload;
    this.filters = el("div", { class: "filters" });
    this.element = el(
      "section",
      { "aria-labelledby": "apps-heading" },
      el("div", { class: "toolbar" },
        el("h1", { id: "apps-heading" }, t(store.session.isAdmin ? "apps.heading" : "apps.own")),
        this.count,
        el("div", { class: "search" }, shape("search"), this.search),
        this.filters,
      ),
      this.list,
      this.empty,
    );
    this.showLoading();
  }

  showLoading() {
    this.list.setAttribute("aria-busy", "true");
    this.count.textContent = t("loading");
    this.list.replaceChildren(...Array.from({ length: 8 }, () => el("li", { class: "tile skeleton", "aria-hidden": "true" })));
  }

  // Shows what the store has read.
  show() {
    this.list.removeAttribute("aria-busy");
    this.tiles.clear();
    for (const app of this.store.apps) this.tiles.set(app.id, this.tile(app));
    this.list.replaceChildren(...this.tiles.values());
    this.showFilters();
    this.filter();
  }

  // Shows a changed app.
  update(app) {
    this.tiles.get(app.id)?.querySelector(".state").replaceWith(stateOf(app));
    this.filter();
  }

  set(name, value) {
    this.store.filter[name] = value;
    this.filter();
  }

  filter() {
    let count = 0;
    for (const app of this.store.apps) {
      const matches = this.store.matches(app);
      count += matches;
      this.tiles.get(app.id).hidden = !matches;
    }
    this.count.textContent = t("apps.count", { count });
    this.empty.replaceChildren(...(count === 0 ? [this.emptyText()] : []));
  }

  emptyText() {
    const { apps, session } = this.store;
    if (apps.length > 0) {
      return el("div", { class: "empty" }, el("p", {}, t("apps.noMatch")), button(t("apps.clear"), () => this.clear()));
    }
    if (!session.isAdmin) return el("div", { class: "empty" }, el("p", {}, t("apps.noneOwn")));
    return el("div", { class: "empty" },
      el("p", {}, t("apps.none")),
      session.isMaster && el("p", { class: "muted" }, t("apps.noneMaster")),
      button(t("retry"), this.reload));
  }

  clear() {
    this.store.clearFilter();
    this.search.value = "";
    this.showFilters();
    this.filter();
    this.search.focus();
  }

  showFilters() {
    const { store } = this;
    const tags = store.tags();
    const choices = ["all", "installed", "available", ...(store.isBelow ? ["hidden"] : [])];
    this.filters.replaceChildren(
      ...(store.session.isAdmin
        ? [el("fieldset", { class: "segments" },
            el("legend", { class: "visually-hidden" }, t("apps.show")),
            choices.map((choice) =>
              el("label", {},
                el("input", {
                  type: "radio", name: "show", value: choice, checked: store.filter.show === choice,
                  onchange: () => this.set("show", choice),
                }),
                el("span", {}, t(`apps.${choice}`)))))]
        : []),
      ...(tags.length > 0
        ? [el("select", { id: "tag", "aria-label": t("apps.tag"), onchange: (event) => this.set("tag", event.target.value) },
            el("option", { value: "" }, t("apps.allTags")),
            tags.map(([tag, count]) =>
              el("option", { value: tag, selected: store.filter.tag === tag }, `${tag} (${count})`)))]
        : []),
    );
  }

  tile(app) {
    const { label, description, language } = app.texts;
    return el("li", { class: app.isHidden ? "tile hidden-app" : "tile" },
      icon(app.isHidden ? this.store.session.own.id : this.store.account.id, app, label),
      el("div", { class: "about" },
        el("h2", {},
          el("button", { type: "button", dir: "auto", lang: language, onclick: () => this.open(app) }, label)),
        description !== "" && el("p", { class: "description", dir: "auto", lang: language }, description)),
      el("div", { class: "marks" }, phaseOf(app), this.store.session.isAdmin ? stateOf(app) : el("span", { class: "state" })),
    );
  }
}

export function phaseOf(app) {
  return ["alpha", "beta"].includes(app.phase) && el("span", { class: `phase ${app.phase}` }, t(`phase.${app.phase}`));
}

export function stateOf(app) {
  if (app.isHidden) return el("span", { class: "state" }, t("state.hidden"));
  if (!isInstalled(app)) return el("span", { class: "state none" }, t("state.none"));
  const text = app.allowed_users === "specific"
    ? t("state.specific", { count: chosenUsers(app).length })
    : t(`state.${app.allowed_users}`);
  return el("span", { class: "state installed" }, shape("check"), text);
}
