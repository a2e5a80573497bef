// Login, session and the calls that follow each login.

import { Failure } from "./api.js";
import { md5 } from "./md5.js";
import { idsForUser } from "./permissions.js";

const COOKIE = "monster-auth";
const RESTRICTIONS = { myaccount: { user: { show_tab: true }, account: { show_tab: true } } };
const FOUR = "4.3";

export class Session {
  // The credentials, kept in memory to log in again when the token is rejected.
  #given = null;

  // ``failed`` is called with errors that do not stop the page, ``greet`` at the point of a login where a new user is greeted.
  constructor(api, generation, { failed, greet }) {
    this.api = api;
    this.generation = generation;
    this.failed = failed;
    this.greet = greet;
  }

  async logIn(username, password, accountName) {
    const credentials = md5(`${username.toLowerCase()}:${password}`);
    this.#given = { credentials, account_name: accountName };
    await this.#authenticate();
    this.api.renew = () => this.#renew();
    await this.#load();
  }

  // Resumes the session of the token in the cookie; false if there is none or it is rejected.
  async resume() {
    const kept = readCookie();
    if (!kept) return false;
    try {
      this.#open(await this.api.authenticate("POST", "auth/tokeninfo", { token: kept.authToken }));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return false;
    }
    await this.#load();
    return true;
  }

  logOut() {
    document.cookie = `${COOKIE}=; path=/; max-age=0`;
  }

  get isAdmin() {
    return this.user.priv_level === "admin";
  }

  get isFour() {
    return this.generation === FOUR;
  }

  // The greeting of a new user opens My Account; it returns at each login until the user document says that it was read.
  get isNew() {
    return this.user.ui_help?.myaccount?.showfirstUseWalkthrough !== false;
  }

  get accountPath() {
    return `accounts/${this.accountId}`;
  }

  get userPath() {
    return `${this.accountPath}/users/${this.ownerId}`;
  }

  // The user document as a whole, with changes.
  async saveUser(changes) {
    this.user = (await this.api.write("POST", this.userPath, { ...this.user, ...changes })).data;
  }

  // The user document lists the apps that the user may open; it is updated whenever they change.
  async keepAppList() {
    const ids = idsForUser(this.apps, this.user);
    const stored = this.user.appList ?? [];
    if (ids.length === stored.length && ids.every((id) => stored.includes(id))) return;
    try {
      if (this.isFour) await this.saveUser({ appList: ids });
      else this.user = (await this.api.write("PATCH", this.userPath, { appList: ids })).data;
    } catch (error) {
      this.failed(error);
    }
  }

  // An account without ``ui_restrictions`` is read again and posted back as a whole.
  async #keepRestrictions() {
    if ("ui_restrictions" in this.account) return;
    try {
      const { data } = await this.api.get(this.accountPath);
      await this.api.write("POST", this.accountPath, { ...data, ui_restrictions: RESTRICTIONS });
    } catch (error) {
      this.failed(error);
    }
  }

  async #authenticate() {
    this.#open(await this.api.authenticate("PUT", "user_auth", this.#given));
  }

  async #renew() {
    try {
      await this.#authenticate();
      return true;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return false;
    }
  }

  #open({ auth_token: token, data }) {
    // The claims are decoded; a token without a dot raises an exception.
    atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    this.api.token = token;
    this.accountId = data.account_id;
    this.ownerId = data.owner_id;
    this.language = data.language;
    writeCookie({ language: data.language, authToken: token, accountId: data.account_id });
  }

  async #load() {
    const { api } = this;
    if (!this.isFour) await probe(api, `${this.accountPath}/external_numbers`);
    const { data, metadata, version } = await api.get(this.accountPath);
    this.account = { ...data, ...metadata };
    this.version = version;
    this.user = (await api.get(this.userPath)).data;
    this.apps = (await api.get(`${this.accountPath}/apps_store`)).data;
    await this.keepAppList();
    if (!this.isFour) await this.greet();
    await probe(api, `${this.accountPath}/braintree/customer`);
    await this.#keepRestrictions();
    if (this.isFour) await this.greet();
    await probe(api, `${this.accountPath}/alerts`);
  }
}

// A call whose failure means that the system lacks the feature.
export async function probe(api, path, options) {
  try {
    return await api.get(path, options);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return null;
  }
}

// JSON in which braces and colons are not escaped; the service receives it with every picture.
function writeCookie(value) {
  const escaped = encodeURIComponent(JSON.stringify(value)).replace(/%(7B|7D|3A)/g, decodeURIComponent);
  document.cookie = `${COOKIE}=${escaped}; path=/`;
}

function readCookie() {
  const found = document.cookie.split("; ").find((each) => each.startsWith(`${COOKIE}=`));
  return found ? JSON.parse(decodeURIComponent(found.slice(COOKIE.length + 1))) : null;
}
