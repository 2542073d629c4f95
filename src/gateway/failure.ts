/** How a call that did not succeed is answered: expected failures by `refusal`, bugs by an id that the journal has too. */
import type { IncomingMessage } from "node:http";
import * as Cause from "effect/Cause";
import type * as Exit from "effect/Exit";
import * as Option from "effect/Option";
import { closeCodes } from "../../protocol/close-codes.ts";
import { subprotocol } from "../../protocol/frames.ts";
import { bugRefusal } from "../refusal.ts";
import type { Desk } from "./desk.ts";
import type { HttpError, Reply } from "./reply.ts";
import { errorReply, HttpRefused, refusalReply } from "./reply.ts";

const requestIdBytes = 9;
const maxMethodChars = 20;

/** The answer to a call that failed. `where` names its route, never its path: that may hold what nobody should read. */
export function failureReply(
  desk: Desk,
  exit: Exit.Failure<unknown, HttpError>,
  where: string,
  request: IncomingMessage,
): Reply & { kind: "bytes" } {
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause));
  // Who has no credential is told so as often as a person may mistype one.
  const isStranger = error?._tag === "Unauthenticated";
  if (error !== undefined) return errorReply((isStranger && desk.addresses.refuse(request)) || error);
  const requestId = Buffer.from(desk.clock.random(requestIdBytes)).toString("base64url");
  desk.journal.write("error", "gateway.bug", { requestId, where, cause: Cause.squash(exit.cause) });
  return refusalReply(bugRefusal(requestId));
}

export function wrongMethod(method: string, allow: string): HttpRefused {
  return new HttpRefused({
    refusal: {
      status: 405,
      code: "method_not_allowed",
      message: `${method.slice(0, maxMethodChars)} is not possible here; ${allow} is`,
      closeCode: closeCodes.badFrame,
    },
    headers: { allow },
  });
}

/** 426 with what would be right. */
export function upgradeRequired(message: string): HttpRefused {
  return new HttpRefused({
    refusal: { status: 426, code: "upgrade_required", message, closeCode: closeCodes.version },
    headers: { upgrade: "websocket", "sec-websocket-protocol": subprotocol },
  });
}
