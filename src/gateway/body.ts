/** Reads a request's body, bounded, after its caller is known: nothing is buffered for a stranger. */
import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import * as Effect from "effect/Effect";
import { bodyLimits } from "../../protocol/json.ts";
import type { Decoded } from "../../protocol/json.ts";
import type { Unauthenticated } from "../errors.ts";
import { InvalidInput, TooLarge } from "../errors.ts";
import { stillStands } from "./credential.ts";

/** Bytes on the wire. */
export const maxBodyBytes = bodyLimits.maxChars;

const tooLarge = () => new TooLarge({ maxBytes: maxBodyBytes });
const invalid = (message: string) => new InvalidInput({ code: "invalid", path: "", message });

/** The body as text. Fails: `TooLarge`; `InvalidInput` when it is not UTF-8 or ends early. */
function readText(request: IncomingMessage): Effect.Effect<string, InvalidInput | TooLarge> {
  return Effect.callback((resume) => {
    if (Number(request.headers["content-length"] ?? 0) > maxBodyBytes) return resume(Effect.fail(tooLarge()));
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (outcome: Effect.Effect<string, InvalidInput | TooLarge>): void => {
      request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
      resume(outcome);
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > maxBodyBytes) finish(Effect.fail(tooLarge()));
      else chunks.push(chunk);
    };
    const onEnd = (): void => {
      const [first] = chunks;
      const bytes = chunks.length === 1 && first ? first : Buffer.concat(chunks);
      finish(isUtf8(bytes) ? Effect.succeed(bytes.toString("utf8")) : Effect.fail(invalid("is not UTF-8")));
    };
    const onClose = (): void => finish(Effect.fail(invalid("ended early")));
    request.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}

/** Which code a refused path has: an event of a publish has its own. */
const codeOf = (path: string): InvalidInput["code"] => (path.startsWith("events[") ? "invalid_event" : "invalid");

/** The body as the value that `decode` makes of it. */
export function readBody<Value>(
  request: IncomingMessage,
  decode: (text: string) => Decoded<Value>,
): Effect.Effect<Value, InvalidInput | TooLarge | Unauthenticated> {
  const whole = Effect.tap(readText(request), () => stillStands(request));
  return Effect.flatMap(whole, (text) => {
    const decoded = decode(text);
    if (decoded.ok) return Effect.succeed(decoded.value);
    const { path, message } = decoded.issue;
    return Effect.fail(
      new InvalidInput({ code: codeOf(path), path, message: message === "" ? "is not valid" : message }),
    );
  });
}
