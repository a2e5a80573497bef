// Sub-accounts: masquerading as one of them, and their blacklists.

import { Failure } from "./api.js";
import { button, fill, make, one, show } from "./elements.js";
import { textsOf } from "./texts.js";

export class Accounts {
  // ``actAs`` is called with the account that the user wants to act in, ``failed`` with the error.
  constructor(session, { actAs, failed }) {
    this.session = session;
    this.api = session.api;
    this.actAs = actAs;
    this.failed = failed;
  }

  async open(accountId) {
    const children = (await this.api.get(`accounts/${accountId}/children?ascending=true&paginate=false`)).data;
    fill(one("#children"), children.map((child) => this.#row(child)));
    one("#blacklist").hidden = true;
    one("#search").onsubmit = (event) => {
      event.preventDefault();
      this.#search(one("#search").elements.text.value).catch(this.failed);
    };
    show("accounts");
  }

  // The same text is looked for in three fields; an account may be found by several.
  async #search(text) {
    const sought = ["by_name", "by_realm", "by_id"].map((field) => `${field}=${encodeURIComponent(text)}`).join("&");
    const found = (await this.api.get(`search/multi?t=account&${sought}`)).data;
    const accounts = new Map([...found.name, ...found.realm, ...found.id].map((account) => [account.id, account]));
    const byName = [...accounts.values()].sort((one, other) => one.name.toLowerCase().localeCompare(other.name.toLowerCase()));
    fill(one("#children"), byName.map((account) => this.#row(account)));
  }

  #row(child) {
    const act = button("Act as", () => this.actAs(child));
    const apps = button("Apps", () => this.#openBlacklist(child).catch(this.failed));
    return make("li", { data: { name: child.name } }, [`${child.name} `, act, apps]);
  }

  async #openBlacklist(child) {
    const form = one("#blacklist");
    const path = `accounts/${child.id}/apps_store/blacklist`;
    const hidden = await this.#blacklisted(path);
    // The rows are the apps of the account that manages this one.
    const apps = (await this.api.get(`accounts/${this.session.accountId}/apps_store`)).data;
    one("#blacklist-of").textContent = `Apps that ${child.name} may see`;
    one("#blacklist-message").textContent = "";
    fill(one("ul", form), apps.map((app) => appBox(app, !hidden.includes(app.id), textsOf(app, this.session))));
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#save(form, path).catch(this.failed);
    };
    form.hidden = false;
  }

  async #blacklisted(path) {
    try {
      return (await this.api.get(path)).data.blacklist;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return [];
    }
  }

  async #save(form, path) {
    const unticked = Array.from(form.querySelectorAll("input:not(:checked)"), (box) => box.value);
    const saved = await this.api.write("POST", path, { blacklist: unticked }, { beside: { accept_charges: true } });
    one("#blacklist-message").textContent = `Saved: ${saved.data.blacklist.length} hidden`;
  }
}

function appBox(app, ticked, texts) {
  const box = make("input", { type: "checkbox", value: app.id, checked: ticked });
  return make("li", {}, [make("label", {}, [box, ` ${texts.label}: ${texts.description}`])]);
}
