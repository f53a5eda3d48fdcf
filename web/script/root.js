// Where this service is, seen from the page: below a prefix if a proxy gives it one.

const root = document.documentElement.dataset.root || "./";

/** The address of a path of the service, such as `api/v1/topics`. @param {string} path */
export const address = (path) => new URL(root + path, document.baseURI).href;

/** The address of a user's page. Throws `URIError` if the id is no text. @param {string} user */
export const userPage = (user) => address(`users/${encodeURIComponent(user)}`);

/**
 * Why a browser cannot ask for this id, or nothing.
 * @param {string} user
 */
export function unaskable(user) {
  const id = user.trim();
  if (id === "") return "Type the id of a user.";
  // Browsers take these for folders, also when they are percent-encoded.
  if (id === "." || id === "..") return `A browser cannot ask for the id "${id}". Use the API with curl --path-as-is.`;
  try {
    encodeURIComponent(id);
  } catch {
    return "This id is no text.";
  }
  return "";
}

/** The user whom the address of the page names: the id, `null` without one, `undefined` if it is unreadable. */
export function userOfPage() {
  // The service takes several slashes for one, and none at the end.
  const segments = new URL(location.href).pathname.split("/").filter((segment) => segment !== "");
  if (segments.at(-2) !== "users") return null;
  try {
    return decodeURIComponent(segments.at(-1) ?? "").trim();
  } catch {
    return undefined;
  }
}
