// Which users may open an app, as read from the list.

export function isInstalled(app) {
  if (!("allowed_users" in app)) return false;
  return app.allowed_users !== "specific" || (app.users ?? []).length > 0;
}

// An app whose entry has the key is changed, even if no user may use it; any other app is installed.
export function methodFor(app) {
  return "allowed_users" in app ? "POST" : "PUT";
}

export function isForUser(app, user) {
  if (!isInstalled(app)) return false;
  if (app.allowed_users === "admins") return user.priv_level === "admin";
  return app.allowed_users !== "specific" || hasUser(app, user.id);
}

export function hasUser(app, userId) {
  return (app.users ?? []).some((each) => each.id === userId);
}

export function idsForUser(apps, user) {
  return apps.filter((app) => isForUser(app, user)).map((app) => app.id);
}
