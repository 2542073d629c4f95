/** What an operator's machines ask: does it live, is it ready, what does it count. Outside `/v1`, for anybody. */
import * as Effect from "effect/Effect";
import { processFigures } from "../../platform/process-figures.ts";
import { prometheusContentType, prometheusText } from "../../telemetry/prometheus.ts";
import { json } from "../reply.ts";
import type { Call, Route } from "../route.ts";

const unavailable = 503;
const retryAfterSeconds = "1";

const live = () => Effect.succeed(json({ status: "live" }));

const ready = ({ desk }: Call) =>
  Effect.sync(() => {
    const status = desk.runtime.state();
    return status === "accepting"
      ? json({ status })
      : json({ status }, unavailable, { "retry-after": retryAfterSeconds });
  });

const metrics = ({ desk }: Call) =>
  Effect.sync(() => ({
    kind: "bytes" as const,
    status: 200,
    body: prometheusText({
      runtime: desk.runtime.figures(),
      process: processFigures(),
      gateway: {
        answers: desk.answers,
        pendingSockets: desk.pending.count,
        refusals: desk.addresses.refusals,
        droppedSockets: desk.ceiling.dropped,
      },
    }),
    headers: { "content-type": prometheusContentType },
  }));

export const processRoutes: readonly Route[] = [
  { method: "GET", path: "/livez", answer: live },
  { method: "GET", path: "/readyz", answer: ready },
  { method: "GET", path: "/metrics", answer: metrics },
];
