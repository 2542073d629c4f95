/** What an operator's machines ask: does it live, is it ready, what does it count. Outside `/v1`, for anybody. */
import * as Effect from "effect/Effect";
import type { Figures } from "../../telemetry/metric.ts";
import { collected, prometheusContentType, prometheusText, prometheusTextOf } from "../../telemetry/prometheus.ts";
import type { Colleagues } from "../desk.ts";
import { figuresOf } from "../figures.ts";
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
  Effect.map(
    Effect.promise(async () => desk.colleagues?.()),
    (colleagues) => ({
      kind: "bytes" as const,
      status: 200,
      body: colleagues === undefined ? prometheusText(figuresOf(desk)) : pageOfAll(figuresOf(desk), colleagues),
      headers: { "content-type": prometheusContentType },
    }),
  );

const byPlace = (one: { readonly worker: number }, next: { readonly worker: number }): number =>
  one.worker - next.worker;

/** Each colleague has read its own figures; who has not answered is down. */
function pageOfAll(own: Figures, { worker, deaths, others }: Colleagues): string {
  const answered = others.map((other) => ({ ...other, isUp: other.samples !== undefined }));
  const workers = [{ worker, deaths, isUp: true }, ...answered].toSorted(byPlace);
  const pages = [
    { worker, samples: collected({ ...own, workers }) },
    ...others.flatMap((other) => (other.samples === undefined ? [] : [{ ...other, samples: other.samples }])),
  ];
  return prometheusTextOf(pages.toSorted(byPlace));
}

export const processRoutes: readonly Route[] = [
  { method: "GET", path: "/livez", answer: live },
  { method: "GET", path: "/readyz", answer: ready },
  { method: "GET", path: "/metrics", answer: metrics },
];
