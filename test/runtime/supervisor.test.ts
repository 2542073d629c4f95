import { describe, expect, it } from "vitest";
import { deliveryMachine } from "../../machines/delivery.ts";
import { Supervisor } from "../../src/runtime/supervisor.ts";
import type { EncodedFrame, Transport } from "../../src/runtime/transport.ts";
import { turn } from "../../src/testing/manual-clock.ts";

const frame: EncodedFrame = { name: "events", bytes: new TextEncoder().encode("{}") };
const broken = () => {
  throw new Error("the socket is broken");
};

/** A transport that notes what it is handed. */
function transport(more: Partial<Transport> = {}) {
  const did: string[] = [];
  const made: Transport = {
    kind: "websocket",
    bufferedBytes: 0,
    write: ({ isMinted }, { name }) => did.push(`write ${name} ${isMinted}`) > 0,
    close: (_, code, reason) => void did.push(`close ${code} ${reason}`),
    ping: () => void did.push("ping"),
    ...more,
  };
  return { made, did };
}

describe("the supervisor", () => {
  it("hands frames over with its authority, and counts what went out (L12)", () => {
    const supervisor = new Supervisor();
    const { made, did } = transport();
    expect(supervisor.write(made, frame)).toBe(true);
    expect(supervisor.write(made, frame, 3)).toBe(true);
    supervisor.ping(made);
    supervisor.end(made, 1012, "restart");
    expect(did).toEqual(["write events true", "write events true", "ping", "close 1012 restart"]);
    expect(supervisor.counts).toEqual({ framesSent: 2, eventsSent: 3, bytesSent: 4 });
  });

  it("takes a transport that is gone or throws for gone, counts nothing and goes on", () => {
    const supervisor = new Supervisor();
    expect(supervisor.write(transport({ write: () => false }).made, frame, 1)).toBe(false);
    const { made } = transport({ write: broken, ping: broken, close: broken });
    expect(supervisor.write(made, frame, 1)).toBe(false);
    expect(() => supervisor.ping(made)).not.toThrow();
    expect(() => supervisor.end(made, 1011, "bug")).not.toThrow();
    expect(supervisor.counts).toEqual({ framesSent: 0, eventsSent: 0, bytesSent: 0 });
  });

  it("takes in from the opening of the store to the stop, and says when to come back otherwise", () => {
    const supervisor = new Supervisor();
    const refusal = { _tag: "NotAccepting", retryAfterMs: 1_000 };
    const asked = () => {
      try {
        return supervisor.requireAccepting() ?? "accepting";
      } catch (error) {
        return error;
      }
    };
    expect([supervisor.state, asked()]).toMatchObject(["starting", refusal]);
    supervisor.tell({ type: "store.opened" });
    expect([supervisor.state, asked()]).toEqual(["accepting", "accepting"]);
    supervisor.tell({ type: "stop.requested" });
    expect([supervisor.state, asked()]).toMatchObject(["draining", refusal]);
    expect(supervisor.root.id).toBe("supervisor");
  });

  it("stops the children that were released, all of one turn together", async () => {
    const supervisor = new Supervisor();
    const children = [1, 2, 3].map(() => supervisor.spawn(deliveryMachine).start());
    for (const child of children.slice(0, 2)) supervisor.release(child);
    await turn();
    expect(children.map((child) => child.getSnapshot().status)).toEqual(["stopped", "stopped", "active"]);
    supervisor.release(children[2]!);
    await turn();
    expect(children[2]?.getSnapshot().status).toBe("stopped");
  });
});
