/** The name of a stream's incarnation: random, so that two histories never share one. */
import { asEpoch, type Epoch } from "../../protocol/ids.ts";
import { systemClock } from "../platform/clock.ts";

/** 96 bits: no two stores of the world meet by chance. */
const epochBytes = 12;

/** `random` is `Clock.random`; the default is the system's. */
export function newEpoch(random: (count: number) => Uint8Array = systemClock.random): Epoch {
  return asEpoch(Buffer.from(random(epochBytes)).toString("base64url"));
}
