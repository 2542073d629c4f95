/** Where alerts go, as `RUNCAST_ALERT_URL` says it: a shape and a URL in one word. No I/O. */

export interface AlertTarget {
  readonly shape: "alertmanager" | "slack";
  readonly url: string;
}

export const alertUrlShape =
  "alertmanager+https://host or slack+https://hooks.slack.com/…, separated by commas; http:// if RUNCAST_EGRESS_ALLOW names where it leads";

/** A comma that begins the next target; others belong to the URL. */
const separator = /\s*,\s*(?=[a-z]+\+https?:)/;

function readTarget(text: string): AlertTarget | undefined {
  const [, shape, url = ""] = /^(alertmanager|slack)\+(https?:.+)$/.exec(text) ?? [];
  if (!URL.canParse(url)) return undefined;
  // A user and a password are a login at an Alertmanager behind a proxy; Slack has none.
  if (shape === "alertmanager") return { shape, url };
  const { username, password } = new URL(url);
  return shape === "slack" && username === "" && password === "" ? { shape, url } : undefined;
}

/** None for an empty text; undefined when one is not of `alertUrlShape`. */
export function readAlertUrls(text: string): readonly AlertTarget[] | undefined {
  const targets: AlertTarget[] = [];
  for (const part of text === "" ? [] : text.trim().split(separator)) {
    const target = readTarget(part);
    if (target === undefined) return undefined;
    targets.push(target);
  }
  return targets;
}
