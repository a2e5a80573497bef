// Calls to the API with the headers and parameters of Monster UI; every call is listed on the page.

const JSON_OR_ANYTHING = "application/json, text/javascript, */*; q=0.01";
const UI_METADATA = { version: "4.3.0", ui: "monster-ui", origin: "appstore" };

export class Failure extends Error {
  constructor(reply) {
    super(`${reply.status}`);
    this.reply = reply;
  }
}

export class Api {
  token = undefined;
  renew = null; // logs in again with what the user gave; false if that failed
  #lastStamp = 0;

  constructor(base, traffic, clusterId = undefined) {
    this.base = base.endsWith("/") ? base : `${base}/`;
    this.clusterId = clusterId;
    this.traffic = traffic;
  }

  get(path, options) {
    return this.#call("GET", path, options);
  }

  // ``ui_metadata`` says which page sends a write; a DELETE has a body, too.
  write(method, path, data, { beside = {} } = {}) {
    return this.#call(method, path, { body: { data: { ...data, ui_metadata: UI_METADATA }, ...beside } });
  }

  // Logins send no token and no ui_metadata.
  authenticate(method, path, data) {
    return this.#call(method, path, { body: { data }, tokenless: true, again: false });
  }

  iconUrl(accountId, appId) {
    return `${this.base}accounts/${accountId}/apps_store/${appId}/icon?auth_token=${this.token}`;
  }

  // Without an account in its path.
  screenshotUrl(appId, index) {
    return `${this.base}apps_store/${appId}/screenshot/${index}?auth_token=${this.token}`;
  }

  async #call(method, path, options = {}) {
    let reply = await this.#send(method, path, options);
    const again = options.again ?? true;
    if (reply.status === 401 && again && this.renew && (await this.renew())) {
      reply = await this.#send(method, path, options);
    }
    if (reply.status < 200 || reply.status > 299) throw new Failure(reply);
    return reply.body;
  }

  #send(method, path, { body, tokenless = false, accept = JSON_OR_ANYTHING }) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open(method, this.base + (method === "GET" ? this.#unique(path) : path));
      request.setRequestHeader("Content-Type", "application/json");
      request.setRequestHeader("Accept", accept);
      if (!tokenless) request.setRequestHeader("X-Auth-Token", String(this.token));
      if (this.clusterId) request.setRequestHeader("X-Kazoo-Cluster-ID", this.clusterId);
      request.onloadend = () => {
        this.#list(`${method} ${path} ${request.status}`);
        resolve({ status: request.status, body: parsed(request) });
      };
      request.send(body === undefined ? null : JSON.stringify(body));
    });
  }

  #unique(path) {
    this.#lastStamp = Math.max(this.#lastStamp + 1, Date.now());
    return `${path}${path.includes("?") ? "&" : "?"}_=${this.#lastStamp}`;
  }

  #list(call) {
    const item = document.createElement("li");
    item.textContent = call;
    this.traffic.append(item);
  }
}

// Only this exact type counts as JSON, as in Monster UI; a type with a charset is treated as text.
function parsed(request) {
  const isJson = request.getResponseHeader("Content-Type") === "application/json";
  return isJson ? JSON.parse(request.responseText) : request.responseText;
}
