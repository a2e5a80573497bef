// Who may use an app: installs it, changes who may use it, uninstalls it.

import { Refused } from "./api.js";
import { chosenUsers, folded, isInstalled } from "./apps.js";
import { confirm } from "./dialogs.js";
import { button, debounced, el, newId, notice } from "./elements.js";
import { failure } from "./failures.js";
import { nameOf } from "./session.js";
import { collator, t } from "./texts.js";
import { stateOf } from "./tiles.js";

const CHOICES = ["all", "admins", "specific"];
const MOST_SHOWN = 100;
const CHANGED_BY_OTHERS = ["Application already installed", "Application is not installed"];

export function permission(store, app, changed) {
  if (!store.session.isAdmin) return el("section", { class: "panel" }, el("p", {}, t("permission.readOnly")));
  return new Permission(store, app, changed).element;
}

class Permission {
  constructor(store, app, changed) {
    this.store = store;
    this.app = app;
    this.changed = changed;
    this.element = el("section", { class: "panel" });
    this.show();
  }

  // Shows the app as it is now, with a message.
  show(message = null) {
    const { app } = this;
    const installed = isInstalled(app);
    this.choice = app.allowed_users ?? "all";
    this.users = new Set(chosenUsers(app));
    this.picker = el("div", { class: "picker", hidden: true });
    this.messages = el("div", {}, message);
    this.submit = button(t(installed ? "permission.save" : "permission.install"), null, { type: "submit", class: "button primary" });
    this.remove = installed && button(t("permission.uninstall"), () => this.uninstall(), { class: "button danger" });
    const id = newId("who");
    this.form = el("form", { "aria-labelledby": id, onsubmit: (event) => this.save(event) },
      el("fieldset", { class: "choices" },
        el("legend", { id }, t("permission.heading")),
        CHOICES.map((choice) => this.radio(choice)),
        this.picker),
      el("div", { class: "actions" }, this.submit, this.remove));
    this.element.replaceChildren(stateOf(app), this.form, this.messages);
    this.follow();
  }

  radio(choice) {
    const hint = newId("hint");
    return el("label", { class: "choice" },
      el("input", {
        type: "radio", name: "allowed", value: choice, checked: this.choice === choice, "aria-describedby": hint,
        onchange: () => {
          this.choice = choice;
          this.follow();
        },
      }),
      el("span", {}, el("span", { class: "name" }, t(`permission.${choice}`)),
        el("span", { class: "hint", id: hint }, t(`permission.${choice}.hint`, { account: this.store.account.name }))));
  }

  // Follows the choice: the users are shown if they are chosen, and only a change can be saved.
  follow() {
    this.picker.hidden = this.choice !== "specific";
    if (this.choice === "specific" && this.picker.childElementCount === 0) this.showPicker();
    this.submit.disabled = isInstalled(this.app) && !this.isChanged();
    if (this.chosen) {
      const count = this.users.size;
      this.chosen.textContent = count === 0 ? t("permission.nobody") : t("permission.chosen", { count });
    }
  }

  isChanged() {
    if (this.choice !== this.app.allowed_users) return true;
    if (this.choice !== "specific") return false;
    const before = chosenUsers(this.app);
    return before.length !== this.users.size || before.some((id) => !this.users.has(id));
  }

  async showPicker() {
    this.picker.replaceChildren(el("p", { class: "muted", role: "status" }, t("loading")));
    let users;
    try {
      users = await this.store.allUsers();
    } catch (error) {
      this.picker.replaceChildren(failure(error, button(t("retry"), () => this.showPicker())));
      return;
    }
    const { compare } = collator();
    const known = new Set(users.map((user) => user.id));
    const listed = [
      ...[...this.users].filter((id) => !known.has(id)).map((id) => ({ id, name: t("permission.unknown", { id }), detail: "" })),
      ...users.map((user) => ({ id: user.id, name: nameOf(user), detail: detailOf(user) })).sort((one, other) => compare(one.name, other.name)),
    ];
    const list = el("ul", { class: "users" });
    this.chosen = el("p", { class: "muted", role: "status" });
    const search = el("input", {
      type: "search", "aria-label": t("permission.search"), placeholder: t("permission.search"), autocomplete: "off",
      oninput: debounced(() => this.list(list, listed, search.value), 120),
      // Enter would install the app.
      onkeydown: (event) => event.key === "Enter" && event.preventDefault(),
    });
    const few = listed.length > 5;
    this.picker.replaceChildren(...(few ? [search] : []), list, this.chosen);
    this.list(list, listed, "");
    this.follow();
  }

  list(list, listed, search) {
    const words = folded(search).split(/\s+/);
    const found = listed.filter((user) => words.every((word) => folded(`${user.name} ${user.detail}`).includes(word)));
    // Chosen users come first, so that they are seen without a search.
    const ordered = search === "" ? [...found.filter((user) => this.users.has(user.id)), ...found.filter((user) => !this.users.has(user.id))] : found;
    const rest = ordered.length - MOST_SHOWN;
    const empty = listed.length === 0 ? t("permission.noUsers", { account: this.store.account.name }) : t("permission.noMatch");
    list.replaceChildren(
      ...ordered.slice(0, MOST_SHOWN).map((user) => this.user(user)),
      ...(rest > 0 ? [el("li", { class: "muted" }, t("permission.more", { count: rest }))] : []),
      ...(found.length === 0 ? [el("li", { class: "muted" }, empty)] : []));
  }

  user({ id, name, detail }) {
    return el("li", {}, el("label", {},
      el("input", {
        type: "checkbox", value: id, checked: this.users.has(id),
        onchange: (event) => {
          this.users[event.target.checked ? "add" : "delete"](id);
          this.follow();
        },
      }),
      el("span", {}, el("bdi", {}, name), detail !== "" && el("span", { class: "hint" }, detail))));
  }

  async save(event) {
    event.preventDefault();
    const installed = isInstalled(this.app);
    const wanted = { allowed_users: this.choice, users: this.choice === "specific" ? [...this.users].map((id) => ({ id })) : [] };
    await this.run(
      this.submit, t(installed ? "permission.saving" : "permission.installing"),
      () => (installed ? this.store.change(this.app, wanted) : this.store.install(this.app, wanted)),
      t(installed ? "permission.done.save" : "permission.done.install", { label: this.app.texts.label }));
  }

  async uninstall() {
    const { label } = this.app.texts;
    const explained = t("permission.explanation", { account: this.store.account.name });
    if (!(await confirm(t("permission.question", { label }), explained, t("permission.uninstall")))) return;
    await this.run(this.remove, t("permission.uninstalling"), () => this.store.uninstall(this.app), t("permission.done.uninstall", { label }));
  }

  // Makes a change. The app is shown as it was until the answer is there.
  async run(pressed, waiting, change, done) {
    const text = pressed.textContent;
    pressed.textContent = waiting;
    this.form.inert = true;
    this.form.setAttribute("aria-busy", "true");
    this.messages.replaceChildren();
    try {
      await change();
    } catch (error) {
      pressed.textContent = text;
      this.form.inert = false;
      this.form.removeAttribute("aria-busy");
      await this.failed(error);
      pressed.focus();
      return;
    }
    this.changed(this.app);
    this.show();
    // Into an element that is there already, so that it is read out.
    this.messages.append(notice("success", el("p", {}, done)));
    this.messages.scrollIntoView({ block: "nearest" });
    this.submit.disabled ? this.remove.focus() : this.submit.focus();
  }

  async failed(error) {
    if (error instanceof Refused && CHANGED_BY_OTHERS.includes(error.message)) {
      await this.store.refresh(this.app).catch(() => {});
      this.changed(this.app);
      this.show();
    }
    this.messages.replaceChildren(failure(error));
    this.messages.scrollIntoView({ block: "nearest" });
  }
}

function detailOf(user) {
  const shown = nameOf(user) === user.username ? [] : [user.username];
  if (user.priv_level === "admin") shown.push(t("permission.admin"));
  return shown.filter(Boolean).join(" · ");
}
