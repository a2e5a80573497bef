// The App Exchange: the grid of apps, an app's details, installing, changing and uninstalling it.

import { fill, item, make, one, show } from "./elements.js";
import { hasUser, isInstalled, methodFor } from "./permissions.js";
import { textsOf } from "./texts.js";

const TEXTS = ["author", "version", "license"];

export class Exchange {
  // ``changed`` is called after each change of an app of the own account, ``failed`` with the error.
  constructor(session, { changed, failed }) {
    this.session = session;
    this.api = session.api;
    this.changed = changed;
    this.failed = failed;
  }

  async open(accountId) {
    const { session } = this;
    this.accountId = accountId;
    const isOwn = accountId === session.accountId;
    const users = await this.api.get(`accounts/${accountId}/users?paginate=false`);
    // Sorted by names in lower case; every user must have one.
    this.users = users.data.map((user) => ({ ...user, name: `${user.first_name} ${user.last_name}`.toLowerCase() }));
    if (!isOwn || session.generation === "4.3") {
      this.apps = (await this.api.get(`accounts/${accountId}/apps_store`)).data;
      if (isOwn) session.apps = this.apps;
    } else {
      this.apps = session.apps;
    }
    this.#render();
    show("exchange");
  }

  #render() {
    const installed = this.apps.filter(isInstalled).length;
    one("#summary").textContent = `${this.apps.length} apps, ${installed} installed`;
    fill(one("#apps"), this.apps.map((app) => this.#tile(app)));
  }

  #tile(app) {
    const icon = make("span", { className: "icon" });
    icon.style.cssText = `background-image: url(${this.api.iconUrl(this.accountId, app.id)})`;
    const { label } = textsOf(app, this.session);
    const title = make("b", { className: "label", textContent: label });
    const state = make("span", { className: "state", textContent: isInstalled(app) ? "installed" : "not installed" });
    const phase = make("i", { className: "phase", textContent: app.phase === "gold" ? "" : (app.phase ?? "") });
    // The text that a search matches; an app without a label raises an exception here.
    const data = { id: app.id, search: label.toLowerCase(), installed: isInstalled(app) };
    return make("li", { className: "app", data, onclick: () => this.#details(app) }, [icon, title, state, phase]);
  }

  async #details(listed) {
    try {
      this.#show(listed, await this.#whole(listed));
    } catch (error) {
      this.failed(error);
    }
  }

  // Newer versions of Monster UI read the list only.
  async #whole(listed) {
    if (this.session.generation !== "4.3") return listed;
    return (await this.api.get(`accounts/${this.accountId}/apps_store/${listed.id}`)).data;
  }

  #show(listed, app) {
    const dialog = one("#details");
    const texts = textsOf(app, this.session);
    dialog.dataset.id = app.id;
    one("h2", dialog).textContent = texts.label;
    one(".description", dialog).textContent = texts.description ?? "";
    one(".extended", dialog).textContent = texts.extended_description ?? "";
    fill(one(".features", dialog), (texts.features ?? []).map(item));
    fill(one("dl", dialog), facts(app));
    fill(one(".screenshots", dialog), this.#screenshots(app));
    this.#form(one("form", dialog), listed);
    dialog.showModal();
  }

  #screenshots(app) {
    const found = app.screenshots ?? [];
    if (found.length === 0) return [make("i", { textContent: "no screenshots" })];
    return found.map((_, index) => make("img", { src: this.api.screenshotUrl(app.id, index) }));
  }

  #form(form, app) {
    form.elements.allowed_users.value = isInstalled(app) ? app.allowed_users : "all";
    fill(one(".users", form), this.users.map((user) => userBox(app, user)));
    form.elements.save.textContent = isInstalled(app) ? "Save" : "Install";
    form.elements.save.disabled = false;
    form.elements.uninstall.hidden = !isInstalled(app);
    form.elements.close.onclick = () => one("#details").close();
    form.elements.uninstall.onclick = () => this.#act(() => this.#uninstall(app));
    form.onsubmit = (event) => {
      event.preventDefault();
      form.elements.save.disabled = true;
      this.#act(() => this.#save(app, form));
    };
  }

  async #act(action) {
    try {
      await action();
      one("#details").close();
      if (this.accountId === this.session.accountId) await this.changed();
      this.#render();
    } catch (error) {
      this.failed(error);
    }
  }

  async #save(app, form) {
    const allowed = form.elements.allowed_users.value;
    const ticked = Array.from(form.querySelectorAll(".users input:checked"), (box) => ({ id: box.value }));
    const data = { allowed_users: allowed, users: allowed === "specific" ? ticked : [] };
    const saved = await this.api.write(methodFor(app), this.#path(app), data);
    app.allowed_users = saved.data.allowed_users;
    app.users = saved.data.users;
  }

  async #uninstall(app) {
    await this.api.write("DELETE", this.#path(app), {});
    delete app.allowed_users;
    delete app.users;
  }

  #path(app) {
    return `accounts/${this.accountId}/apps_store/${app.id}`;
  }
}

function facts(app) {
  const price = app.price === undefined ? "" : Number(app.price) === 0 ? "Free" : `${app.price}`;
  const rows = [...TEXTS.map((field) => [field, app[field] ?? ""]), ["price", price]];
  return rows.flatMap(([name, value]) => [
    make("dt", { textContent: name }),
    make("dd", { textContent: value, data: { fact: name } }),
  ]);
}

function userBox(app, user) {
  const box = make("input", { type: "checkbox", value: user.id, checked: hasUser(app, user.id) });
  return make("li", {}, [make("label", {}, [box, ` ${user.name}`])]);
}
