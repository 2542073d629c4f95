/**
 * Dev mode's demo users, for the page. Tokens lie open here, so only a page of this machine gets them: a loopback
 * peer, a loopback name in `Host` (a foreign name that resolves to us is DNS rebinding), no foreign origin.
 */
import type { IncomingMessage } from "node:http";
import * as Effect from "effect/Effect";
import { isLoopbackHost } from "../../config-values.ts";
import { NotFound } from "../../errors.ts";
import { json } from "../reply.ts";
import type { Call, Route } from "../route.ts";

const ownSites: readonly (string | undefined)[] = [undefined, "same-origin", "none"];

function isFromThisMachine(request: IncomingMessage): boolean {
  const { host, origin } = request.headers;
  const peer = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  if (host === undefined || !URL.canParse(`http://${host}`)) return false;
  const site = request.headers["sec-fetch-site"];
  return (
    isLoopbackHost(peer) &&
    isLoopbackHost(new URL(`http://${host}`).hostname) &&
    (origin === undefined || origin === `http://${host}`) &&
    (site === undefined || (typeof site === "string" && ownSites.includes(site)))
  );
}

const users = Effect.fnUntraced(function* ({ desk, request }: Call) {
  const { devUsers } = desk;
  if (devUsers === undefined || !isFromThisMachine(request)) return yield* new NotFound({ what: "route" });
  return json({ users: yield* Effect.promise(devUsers) });
});

export const devRoutes: readonly Route[] = [{ method: "GET", path: "/dev/users", answer: users }];
