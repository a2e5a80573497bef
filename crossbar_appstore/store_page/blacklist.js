// The blacklist of an account below: a tick hides an app from it.

import { call, get, Refused } from "./api.js";
import { folded } from "./apps.js";
import { openDialog } from "./dialogs.js";
import { button, debounced, el, notice } from "./elements.js";
import { failure } from "./failures.js";
import { icon } from "./pictures.js";
import { appTexts, collator, t } from "./texts.js";

// Opens the list; saved: called when the account sees other apps.
export function openBlacklist(store, saved) {
  const account = store.account.name;
  const heading = el("h2", {}, t("blacklist.heading", { account }));
  const content = el("div", { class: "content" });
  openDialog("blacklist", heading, content);
  new Blacklist(store, heading, content, saved).load();
}

class Blacklist {
  constructor(store, heading, content, saved) {
    this.store = store;
    this.heading = heading;
    this.content = content;
    this.saved = saved;
    this.messages = el("div", {});
    this.count = el("p", { class: "muted", role: "status" });
  }

  async load() {
    this.content.replaceChildren(this.heading, el("p", { class: "muted", role: "status" }, t("loading")));
    try {
      await this.read();
    } catch (error) {
      this.content.replaceChildren(this.heading, failure(error, button(t("retry"), () => this.load())));
      return;
    }
    this.show();
  }

  async read() {
    const [list, apps] = await Promise.all([
      call("GET", this.store.path("blacklist")),
      get(`accounts/${this.store.session.own.id}/apps_store`),
    ]);
    this.take(list);
    const { compare } = collator();
    this.apps = apps.map((app) => ({ ...app, texts: appTexts(app) }));
    this.apps.sort((one, other) => compare(one.texts.label, other.texts.label));
  }

  take({ data, etag }) {
    this.before = data.blacklist;
    this.etag = etag;
    this.ticked = new Set(data.blacklist);
  }

  show() {
    const account = this.store.account.name;
    const list = el("ul", { class: "ticks" });
    const fill = (search) => list.replaceChildren(...this.apps.filter((app) => matches(app, search)).map((app) => this.row(app)));
    const search = el("input", {
      type: "search", "aria-label": t("blacklist.search"), placeholder: t("blacklist.search"), autocomplete: "off",
      oninput: debounced(() => fill(search.value), 120),
      onkeydown: (event) => event.key === "Enter" && event.preventDefault(),
    });
    this.submit = button(t("blacklist.save"), null, { type: "submit", class: "button primary" });
    this.form = el("form", { onsubmit: (event) => this.save(event) },
      el("p", { class: "muted" }, t("blacklist.explanation", { account })),
      this.apps.length > 8 && search, list,
      el("div", { class: "actions" }, this.submit, this.count), this.messages);
    this.content.replaceChildren(this.heading, this.form);
    fill("");
    this.follow();
  }

  row(app) {
    const { label, language } = app.texts;
    return el("li", {}, el("label", {},
      el("input", {
        type: "checkbox", value: app.id, checked: this.ticked.has(app.id),
        onchange: (event) => {
          this.ticked[event.target.checked ? "add" : "delete"](app.id);
          this.follow();
        },
      }),
      icon(this.store.session.own.id, app, label), el("span", { class: "name", dir: "auto", lang: language }, label)));
  }

  follow() {
    const isSame = this.before.length === this.ticked.size && this.before.every((id) => this.ticked.has(id));
    this.submit.disabled = isSame;
    this.count.textContent = t("blacklist.count", { count: this.ticked.size });
  }

  async save(event) {
    event.preventDefault();
    this.form.inert = true;
    this.submit.textContent = t("blacklist.saving");
    this.messages.replaceChildren();
    try {
      // The list is replaced as a whole: not over one that somebody else has stored since.
      const data = { blacklist: [...this.ticked] };
      const reply = await call("POST", this.store.path("blacklist"), { data, match: this.etag });
      this.take({ data: reply.data, etag: `"${reply.revision}"` });
      this.messages.append(notice("success", el("p", {}, t("blacklist.saved"))));
      this.saved();
    } catch (error) {
      await this.failed(error);
    }
    this.form.inert = false;
    this.submit.textContent = t("blacklist.save");
    this.follow();
  }

  async failed(error) {
    if (!(error instanceof Refused && error.status === 412)) {
      this.messages.append(failure(error));
      return;
    }
    await this.load();
    this.messages.append(notice("error", el("p", {}, t("blacklist.changed"))));
  }
}

function matches(app, search) {
  return folded(`${app.texts.label} ${app.name}`).includes(folded(search));
}
