/**
 * The built page, read once at the start: only files that were there then can be asked for, so no path leads out.
 * Hashed assets are immutable; everything else is asked for again each time, by ETag.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { extname, join, sep } from "node:path";
import type { Headers, Reply } from "./reply.ts";

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".map": "application/json; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
};

/** What the page may do: talk to us, and load nothing from anywhere else. */
const pageHeaders: Headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=()",
  "x-frame-options": "DENY",
};

const immutable = "public, max-age=31536000, immutable";
/** As bundlers name what never changes: `index-B3f9_aQ1.js`. */
const hashedName = /[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$/;
const maxTotalBytes = 64 * 1_048_576;

interface StaticFile {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly headers: Headers;
}

export class StaticFiles {
  private readonly files: ReadonlyMap<string, StaticFile>;

  private constructor(files: ReadonlyMap<string, StaticFile>) {
    this.files = files;
  }

  /**
   * Reads a directory with an `index.html`; undefined when there is none. `facts` are written into that page, each as a
   * `<meta>` that it can read without asking.
   */
  static read(directory: string, facts: Readonly<Record<string, string>> = {}): StaticFiles | undefined {
    if (!existsSync(join(directory, "index.html"))) return undefined;
    const files = new Map<string, StaticFile>();
    let total = 0;
    for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
      const path = join(directory, name);
      if (!statSync(path).isFile()) continue;
      const bytes = readFileSync(path);
      total += bytes.length;
      if (total > maxTotalBytes) throw new RangeError(`${directory} holds more than ${maxTotalBytes} bytes`);
      files.set(`/${name.split(sep).join("/")}`, staticFile(name, name === "index.html" ? told(bytes, facts) : bytes));
    }
    return new StaticFiles(files);
  }

  /** The reply for a path, or undefined when there is no such file. `/` is the page. */
  reply(path: string, request: IncomingMessage): Reply | undefined {
    const file = this.files.get(path === "/" ? "/index.html" : path);
    if (file === undefined) return undefined;
    const { bytes, etag, headers } = file;
    const isKnown = request.headers["if-none-match"]?.split(/\s*,\s*/).includes(etag);
    return isKnown
      ? { kind: "bytes", status: 304, body: "", headers: { etag, ...headers } }
      : { kind: "bytes", status: 200, body: bytes, headers: { etag, ...headers } };
  }
}

/** Values stand in attributes: what could end one is left out. */
function told(page: Buffer, facts: Readonly<Record<string, string>>): Buffer {
  const metas = Object.entries(facts).map(
    ([name, value]) => `<meta name="${name}" content="${value.replace(/["<>&]/g, "")}" />`,
  );
  return metas.length === 0
    ? page
    : Buffer.from(page.toString("utf8").replace("</head>", () => `${metas.join("")}</head>`));
}

function staticFile(name: string, bytes: Buffer): StaticFile {
  const isHashed = name.startsWith(`assets${sep}`) && hashedName.test(name);
  return {
    bytes,
    etag: `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`,
    headers: {
      ...pageHeaders,
      "content-type": contentTypes[extname(name).toLowerCase()] ?? "application/octet-stream",
      "cache-control": isHashed ? immutable : "no-cache",
    },
  };
}
