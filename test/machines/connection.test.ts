/** Every (state, fact) pair of the connection machine against a table that was written from PROTOCOL.md by hand. */
import { getNextSnapshot } from "xstate";
import type { SnapshotFrom } from "xstate";
import { describe, expect, it } from "vitest";
import type { ConnectionFact } from "../../machines/connection.ts";
import { connectionMachine, endingCodes, maxMissedPings } from "../../machines/connection.ts";
import { closeCodes } from "../../protocol/close-codes.ts";

type Snapshot = SnapshotFrom<typeof connectionMachine>;
type State = Snapshot["value"];

const facts: { readonly [Type in ConnectionFact["type"]]: Extract<ConnectionFact, { type: Type }> } = {
  "session.opened": { type: "session.opened" },
  "deadline.passed": { type: "deadline.passed", reason: "no hello" },
  "credential.refused": { type: "credential.refused", reason: "bad token" },
  "credential.expired": { type: "credential.expired" },
  "credential.revoked": { type: "credential.revoked" },
  "authority.silent": { type: "authority.silent" },
  "log.silent": { type: "log.silent" },
  "credential.foreign": { type: "credential.foreign" },
  "frame.refused": { type: "frame.refused", reason: "what" },
  "ping.unanswered": { type: "ping.unanswered" },
  "peer.heard": { type: "peer.heard" },
  "place.taken": { type: "place.taken" },
  "rate.exceeded": { type: "rate.exceeded", reason: "too many frames" },
  "drain.requested": { type: "drain.requested" },
  "session.failed": { type: "session.failed" },
  "drain.finished": { type: "drain.finished" },
  "transport.closed": { type: "transport.closed" },
};

/** How each fact ends an open connection: a code, or null when the other side went first. */
const endings: Partial<Record<ConnectionFact["type"], number | null>> = {
  "deadline.passed": 4408,
  "credential.refused": 4401,
  "credential.expired": 4401,
  "credential.revoked": 4401,
  "authority.silent": 1013,
  "log.silent": 1013,
  "credential.foreign": 4403,
  "frame.refused": 4400,
  "place.taken": 4409,
  "rate.exceeded": 4429,
  "session.failed": 1011,
  "transport.closed": null,
};

/** All other moves; what stands nowhere changes nothing. */
const moves: Partial<
  Record<State, Partial<Record<ConnectionFact["type"], { to: State; code?: number; missed?: number }>>>
> = {
  authenticating: { "session.opened": { to: "ready" }, "drain.requested": { to: "draining" } },
  ready: {
    "drain.requested": { to: "draining" },
    "ping.unanswered": { to: "ready", missed: 1 },
    "peer.heard": { to: "ready" },
  },
  draining: { "drain.finished": { to: "closed", code: 1012 } },
};

const start = connectionMachine.resolveState({ value: "authenticating", context: { missedPings: 0, ending: null } });
const next = (from: Snapshot, fact: ConnectionFact): Snapshot => getNextSnapshot(connectionMachine, from, fact);
const after = (...types: readonly ConnectionFact["type"][]): Snapshot =>
  types.reduce((at, type) => next(at, facts[type]), start);

const open: Partial<Record<State, Snapshot>> = {
  authenticating: start,
  ready: after("session.opened"),
  draining: after("session.opened", "drain.requested"),
};
const types = Object.keys(facts) as readonly ConnectionFact["type"][];

describe("connection machine", () => {
  it.each(
    Object.entries(open).flatMap(([state, from]) => types.map((type) => ({ state: state as State, type, from }))),
  )("in $state takes $type as the contract says", ({ state, type, from }) => {
    const { value, context } = next(from, facts[type]);
    const ending = endings[type];
    const move = moves[state]?.[type];
    const code = ending === undefined ? move?.code : (ending ?? undefined);
    expect(value).toBe(ending === undefined ? (move?.to ?? state) : "closed");
    expect(context.ending?.code).toBe(code);
    expect(context.missedPings).toBe(move?.missed ?? 0);
  });

  it("hands the reason on where one was given", () => {
    for (const type of ["deadline.passed", "credential.refused", "frame.refused"] as const)
      expect(next(start, facts[type]).context.ending?.reason).toBe(facts[type].reason);
  });

  it("says why with every code that it ends with", () => {
    let at = after("session.opened");
    for (let round = 1; round < maxMissedPings; round += 1) at = next(at, facts["ping.unanswered"]);
    const ends = [
      ...types.map((type) => next(after("session.opened"), facts[type])),
      ...types.map((type) => next(after("session.opened", "drain.requested"), facts[type])),
      next(at, facts["ping.unanswered"]),
    ].flatMap(({ context }) => context.ending ?? []);
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set(Object.values(endingCodes)));
    for (const { reason } of ends) expect(reason).toMatch(/\w/);
  });

  it("is never left once it is closed, and keeps why", () => {
    for (const type of types) {
      const closed = next(after("session.opened"), facts[type]);
      if (closed.value !== "closed") continue;
      for (const late of types)
        expect(next(closed, facts[late])).toMatchObject({ value: "closed", context: closed.context });
    }
  });

  it("closes when so many pings in a row go unanswered, and forgets them when the peer is heard", () => {
    let at = after("session.opened");
    for (let round = 1; round < maxMissedPings; round += 1) at = next(at, facts["ping.unanswered"]);
    expect(at.value).toBe("ready");
    const heard = next(at, facts["peer.heard"]);
    expect(heard.context.missedPings).toBe(0);
    expect(next(heard, facts["ping.unanswered"]).value).toBe("ready");
    expect(next(at, facts["ping.unanswered"])).toMatchObject({ value: "closed", context: { ending: { code: 4408 } } });
  });

  it("is open everywhere but in closed", () => {
    for (const from of Object.values(open)) expect(from.hasTag("open")).toBe(true);
    expect(after("transport.closed").hasTag("open")).toBe(false);
  });

  it("ends with the codes of the contract", () => {
    for (const [name, code] of Object.entries(endingCodes)) expect(closeCodes).toMatchObject({ [name]: code });
  });
});
