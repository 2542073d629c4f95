/** URLs of the operator's that are called by http: read before anything is made of them, and never shown. No I/O. */
import { InvalidConfig } from "../errors.ts";

/** The URL, if it is one of http or https without user and password. */
export function readHttpUrl(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isHttp = url.protocol === "https:" || url.protocol === "http:";
  return isHttp && url.username === "" && url.password === "" ? url : undefined;
}

/** The URL of an option `url`. Fails: `InvalidConfig`. */
export function httpUrlOf(text: string): URL {
  const url = readHttpUrl(text);
  if (url === undefined)
    throw new InvalidConfig({
      setting: "url",
      message: "must be an http:// or https:// URL without user and password",
    });
  return url;
}
