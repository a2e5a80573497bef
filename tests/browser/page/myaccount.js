// My Account: it opens when the balance and the limits have arrived, as do all of its tabs when theirs have.

import { button, fill, one, show } from "./elements.js";

const DAY = 86400;
const UNIX_TO_GREGORIAN = 62167219200;
const TRUNKS = ["inbound", "outbound", "twoway"];

export class MyAccount {
  // ``read`` is called when a new user has read the greeting, ``failed`` with the error of a call.
  constructor(session, { read, failed }) {
    this.session = session;
    this.api = session.api;
    this.read = read;
    this.failed = failed;
  }

  // A new user is greeted in My Account, if that can be opened.
  async greet() {
    const greeting = one("#greeting");
    greeting.hidden = true;
    if (!this.session.isNew) return;
    await this.#load();
    one("button", greeting).onclick = () => this.#finish().catch(this.failed);
    greeting.hidden = false;
  }

  async open() {
    await this.#load();
    show("my-account");
  }

  async #load() {
    const path = this.session.accountPath;
    const { data: total } = await this.api.get(`${path}/ledgers/total`);
    const { data: limits } = await this.api.get(`${path}/limits`);
    const { data: user } = await this.api.get(this.session.userPath);
    one("#credit").textContent = `$${total.amount.toFixed(2)}`;
    one("#trunks").textContent = TRUNKS.map((kind) => limits[`${kind}_trunks`] ?? 0).join("+");
    fill(one("#tabs"), Object.keys(TABS).map((name) => button(name, () => this.#openTab(name).catch(this.failed))));
    one("#tab").textContent = "";
    this.#form(user);
  }

  async #openTab(name) {
    one("#tab").textContent = "";
    one("#tab").textContent = `${name}: ${await TABS[name](this.api, this.session.accountPath)}`;
  }

  #form(user) {
    const form = one("#my-user");
    const { email, password } = form.elements;
    email.value = user.email ?? "";
    password.value = "";
    one("output", form).textContent = "";
    form.onsubmit = (event) => {
      event.preventDefault();
      const changes = password.value ? { password: password.value } : {};
      this.#save({ ...user, email: email.value, ...changes }).catch(this.failed);
    };
  }

  async #save(user) {
    await this.session.saveUser(user);
    one("#my-user output").textContent = `Saved ${this.session.user.email}`;
  }

  async #finish() {
    await this.session.saveUser({ ui_help: { myaccount: { showfirstUseWalkthrough: false } } });
    one("#greeting").hidden = true;
    this.read();
  }
}

// What each tab reads, and what it shows of that.
const TABS = {
  async Account(api, path) {
    await api.get(`${path}/access_lists`);
    const { data: account } = await api.get(path);
    const { data: callflows } = await api.get(`${path}/callflows?filter_numbers=no_match`);
    return `${account.name}, ${callflows.length} callflows`;
  },
  async Usage(api, path) {
    const { data: ledgers } = await api.get(`${path}/ledgers?${lastMonth()}`);
    delete ledgers["kazoo-rollover"];
    const { data: calls } = await api.get(`${path}/ledgers/per-minute-voip?${lastMonth()}&page_size=50`);
    return `${Object.keys(ledgers).length} ledgers, ${calls.length} calls`;
  },
  async Plan(api, path) {
    const { data: summary } = await api.get(`${path}/services/summary`);
    const lines = summary.invoices.flatMap((invoice) => invoice.items);
    return `${lines.length} lines, next bill on day ${new Date((summary.billing_cycle.next - UNIX_TO_GREGORIAN) * 1000).getUTCDate()}`;
  },
  async Transactions(api, path) {
    const { data: transactions } = await api.get(`${path}/transactions?paginate=false&${lastMonth()}&reason=no_calls`);
    return `${transactions.filter((each) => each.status === "completed").length} transactions`;
  },
  async Trunks(api, path) {
    const { data: limits } = await api.get(`${path}/limits`);
    return `${limits.twoway_trunks ?? 0} two-way trunks`;
  },
};

function lastMonth() {
  const now = Math.floor(Date.now() / 1000) + UNIX_TO_GREGORIAN;
  return `created_from=${now - 30 * DAY}&created_to=${now}`;
}
