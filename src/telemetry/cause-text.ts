/**
 * What may be written of something that was thrown. Its message may hold what it was thrown about, a payload or a token,
 * and nobody can tell: so strangers' errors are told by their name, their code and where they were thrown, and only
 * those of our own whose words are all ours by their message (FAULTS 35, I19).
 */

/** By their tags: what they say is made of our words and of numbers. */
const speakFreely: ReadonlySet<string> = new Set([
  ...["LogUnavailable", "LogFull", "NotAccepting", "TooMany", "Forbidden", "Unauthenticated", "NotFound"],
  ...["RunEnded", "Fenced", "SeqConflict", "CursorExpired", "InvalidConfig", "CircuitOpen", "NotTaken"],
]);

const maxNameChars = 60;
const maxFrames = 3;
const maxFrameChars = 160;
const maxDepth = 4;
const codePattern = /^[A-Z][A-Z0-9_]{1,40}$/;
const namePattern = /^[A-Za-z_$][\w$.]*$/;

function fieldOf(value: object, name: string): unknown {
  return Reflect.get(value, name);
}

function nameOf(error: Error): string {
  const tag = fieldOf(error, "_tag");
  const name = typeof tag === "string" ? tag : error.name;
  return namePattern.test(name) ? name.slice(0, maxNameChars) : "Error";
}

/** Where it was thrown, without its message: file names and lines. Never throws. */
export function framesOf(cause: unknown): readonly string[] {
  try {
    return framesBehind(cause);
  } catch {
    return [];
  }
}

function framesBehind(cause: unknown): readonly string[] {
  if (!(cause instanceof Error) || typeof cause.stack !== "string") return [];
  const head = `${cause.name}: ${cause.message}`;
  // A message may look like a frame: only what stands behind it is one.
  const behind = cause.stack.startsWith(head) ? cause.stack.slice(head.length) : "";
  return behind
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => /^at .*:\d+:\d+\)?$/.test(line) || line.startsWith("at node:"))
    .map((line) => line.slice(0, maxFrameChars));
}

/** The last parts of a path say enough. */
const shortFrame = (frame: string): string =>
  frame.replaceAll(/(?:file:\/\/)?(?:\/[^/\s():]+)+(?=\/[^/\s():]+\/[^/\s():]+:\d)/g, "…");

function told(cause: unknown, depth: number): string {
  if (!(cause instanceof Error))
    return typeof cause === "object" ? "no error, but an object" : `no error, but: ${typeof cause}`;
  const name = nameOf(cause);
  const code = fieldOf(cause, "code");
  const number = fieldOf(cause, "errcode") ?? fieldOf(cause, "errno");
  const isOurs = speakFreely.has(name) && typeof fieldOf(cause, "_tag") === "string";
  const words = [
    isOurs && cause.message !== "" ? `${name}: ${cause.message}` : name,
    ...(typeof code === "string" && codePattern.test(code) ? [code] : []),
    ...(typeof number === "number" ? [String(number)] : []),
  ].join(" ");
  const frames = isOurs ? [] : framesOf(cause).slice(0, maxFrames).map(shortFrame);
  const at = frames.length === 0 ? "" : ` ${frames.join(", ")}`;
  const why = cause.cause === undefined || depth === 0 ? "" : `; because ${told(cause.cause, depth - 1)}`;
  return `${words}${at}${why}`;
}

/** One line about it. Never throws, whatever was thrown. */
export function causeText(cause: unknown): string {
  try {
    return told(cause, maxDepth);
  } catch {
    return `unprintable ${typeof cause}`;
  }
}
