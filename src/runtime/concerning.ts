/** Breakers that concern every user: what they stand before carries everybody's events. `connections` tells their turns. */
import type { StatusFrame } from "../../protocol/frames.ts";
import type { Breakers, BreakerView } from "./breakers.ts";

const concerning = ["log", "spool"] as const;

/** The frame that tells of a turn; undefined: it is nothing to users. */
export function statusOf({ name, state }: Pick<BreakerView, "name" | "state">): StatusFrame | undefined {
  return concerning.some((channel) => channel === name) ? { type: "status", channel: name, state } : undefined;
}

/** What somebody who comes now has to know: those that are not closed. */
export function troublesOf(breakers: Breakers): readonly StatusFrame[] {
  return concerning.flatMap((name) => {
    const state = breakers.find(name)?.state ?? "closed";
    return state === "closed" ? [] : [{ type: "status", channel: name, state }];
  });
}
