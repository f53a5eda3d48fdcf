// The token by which a user's data is read: taken from `#token=…`, which leaves the address at once, or typed. Kept for this tab
// alone, and never put into an address.

const KEY = "homeostat.token";

/** Where there is no storage, tokens are kept until the page is left. */
const kept = new Map();

function read(key) {
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return kept.get(key) ?? "";
  }
}

function write(key, token) {
  try {
    sessionStorage.setItem(key, token);
  } catch {
    kept.set(key, token);
  }
}

/** The token for a user: the user's own, or the one given last, which may be the operator's. @param {string} user */
export const tokenOf = (user) => read(`${KEY}:${user}`) || read(KEY);

/** @param {string} user @param {string} token */
export function keepToken(user, token) {
  write(`${KEY}:${user}`, token);
  write(KEY, token);
}

/** Takes the token out of the address. Returns whether there was one. @param {string} user */
export function takeToken(user) {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return false;
  history.replaceState(history.state, "", location.pathname + location.search);
  const token = given.trim();
  if (token !== "") keepToken(user, token);
  return token !== "";
}
