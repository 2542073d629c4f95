/**
 * Who is told when a breaker turns: the journal always, and every user of those that concern them, because what they stand
 * before carries everybody's events.
 */
import type { BreakerState } from "../../machines/circuit-breaker.ts";
import type { StatusFrame } from "../../protocol/frames.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { Breakers, BreakerView } from "./breakers.ts";

const concerning = ["log", "spool"] as const;

const isConcerning = (name: string): boolean => concerning.some((channel) => channel === name);

/** For `Breakers`: hears of every turn. */
export function turnTeller(journal: Journal, tellAll: (frame: StatusFrame) => void) {
  return ({ name, state, failures }: BreakerView, before: BreakerState): void => {
    journal.write(state === "open" ? "error" : "info", "breaker.turned", { name, before, state, failures });
    if (isConcerning(name)) tellAll({ type: "status", channel: name, state });
  };
}

/** What somebody who comes now has to know: those that are not closed. */
export function troublesOf(breakers: Breakers): readonly StatusFrame[] {
  return concerning.flatMap((name) => {
    const state = breakers.find(name)?.state ?? "closed";
    return state === "closed" ? [] : [{ type: "status", channel: name, state }];
  });
}
