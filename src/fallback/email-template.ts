/**
 * What an e-mail says: subject, plain text and HTML from one notice. Simple enough for every mail program, readable in
 * the light and in the dark; whatever comes from outside is escaped, and cannot begin a header. No I/O.
 */
import type { Notice } from "./channel.ts";
import { cutText } from "./cut-text.ts";

export interface Mail {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** RFC 5322 asks for less than 998 octets a line; mail programs show about so many characters. */
const maxSubjectChars = 150;

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (each) => entities[each] ?? each);

/** One line without control characters: those that turn the direction of writing count as such. */
const oneLine = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, " ")
    .replaceAll(/ {2,}/g, " ")
    .trim();

const paragraphs = (text: string): string[] =>
  text
    .split(/\r?\n/)
    .map(oneLine)
    .filter((line) => line !== "");

/** A link that a mail may carry. */
function linkOf({ url }: Notice): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined;
  const { protocol, href } = new URL(url);
  return protocol === "https:" || protocol === "http:" ? href : undefined;
}

/** `2026-01-01T10:00:00.000Z` → `1 January 2026, 10:00 UTC`. */
function timeOf({ time }: Notice): string {
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return oneLine(time);
  const shown = at.toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });
  return `${shown.replace(" at ", ", ")} UTC`;
}

const why = "You get this message because it came while you were not connected, and it may need you.";

function htmlOf(title: string, lines: readonly string[], facts: string, link: string | undefined): string {
  const body = lines.map((line) => `<p style="margin:0 0 12px">${escaped(line)}</p>`).join("\n");
  const button =
    link === undefined
      ? ""
      : `<p style="margin:24px 0 0"><a href="${escaped(link)}" style="display:inline-block;padding:10px 20px;border-radius:6px;background:#3b5bdb;color:#ffffff;text-decoration:none;font-weight:600">Have a look</a></p>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>${escaped(title)}</title>
<style>
@media (prefers-color-scheme: dark) {
  .page { background: #16181d !important; }
  .card { background: #22252c !important; border-color: #363b45 !important; color: #e8eaef !important; }
  .facts { color: #a3a9b5 !important; }
}
</style>
</head>
<body class="page" style="margin:0;padding:0;background:#f3f4f7">
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" style="background:#f3f4f7">
<tr><td align="center" style="padding:32px 16px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:560px">
<tr><td class="card" style="padding:28px 32px;border:1px solid #dfe2e8;border-radius:10px;background:#ffffff;color:#1c1f26;font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5">
<h1 style="margin:0 0 16px;font-size:20px;line-height:1.3;overflow-wrap:anywhere">${escaped(title)}</h1>
<div style="overflow-wrap:anywhere">${body}</div>
${button}
</td></tr>
<tr><td class="facts" style="padding:16px 32px;color:#5d6472;font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:13px;line-height:1.5;overflow-wrap:anywhere">
${escaped(facts)}<br>
${escaped(why)}
</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
`;
}

export function mailOf(notice: Notice): Mail {
  const title = oneLine(notice.title);
  const lines = paragraphs(notice.text);
  const link = linkOf(notice);
  const run = notice.runId === undefined ? "" : ` · run ${oneLine(notice.runId)}`;
  const facts = `${timeOf(notice)}${run}`;
  const text = [title, ...lines, ...(link === undefined ? [] : [`Have a look: ${link}`]), `--\n${facts}\n${why}`];
  return {
    subject: cutText(title, maxSubjectChars),
    text: `${text.join("\n\n")}\n`,
    html: htmlOf(title, lines, facts, link),
  };
}
