/** Where the socket is: `http(s)://host`, `http(s)://host/base` and `ws(s)://host/v1/ws` all lead there. */
const socketPath = "/v1/ws";

/**
 * The socket's address. A relative `url` is taken from the page's.
 *
 * `Fails` TypeError: not a URL, or not one of http, https, ws, wss.
 */
export function socketUrl(url: string): string {
  const page = "location" in globalThis ? globalThis.location?.href : undefined;
  const target = new URL(url, page);
  const isWeb = target.protocol === "http:" || target.protocol === "https:";
  if (isWeb) target.protocol = target.protocol === "http:" ? "ws:" : "wss:";
  else if (target.protocol !== "ws:" && target.protocol !== "wss:")
    throw new TypeError(`url must be http, https, ws or wss, not ${target.protocol}`);
  const base = target.pathname.replace(/\/+$/, "");
  if (base === "" || (isWeb && !base.endsWith(socketPath))) target.pathname = base + socketPath;
  // A fragment is illegal in a socket's address.
  target.hash = "";
  return target.href;
}

/** The address of a call beside the socket, `path` as in `/v1/push/key`. `Fails` as `socketUrl`. */
export function httpUrl(url: string, path: string): string {
  const target = new URL(socketUrl(url));
  target.protocol = target.protocol === "ws:" ? "http:" : "https:";
  target.pathname = target.pathname.replace(/(\/v1\/ws)?\/*$/, path);
  target.search = "";
  return target.href;
}
