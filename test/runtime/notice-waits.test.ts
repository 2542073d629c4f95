import { describe, expect, it } from "vitest";
import { publisher, runtimeUnderTest } from "../support/runtime-under-test.ts";

async function world() {
  const made = await runtimeUnderTest();
  const phone = await made.connect("alice", { from: "start", device: "phone" });
  const laptop = await made.connect("alice", { from: "start", device: "laptop" });
  const notify = (ackWaitMs: number) => {
    const body = { userId: "alice", type: "x.mail", data: {}, ackWaitMs } as const;
    const call = made.call(made.parts.service.notify(publisher, body));
    let answer: Awaited<typeof call> | undefined;
    void call.then((value) => (answer = value));
    return { call, now: () => answer };
  };
  return { ...made, phone, laptop, notify };
}

describe("a notice that waits for acks", () => {
  it("waits for every device that got it", async () => {
    const { phone, laptop, notify, settle } = await world();
    const { call, now } = notify(60_000);
    await settle();
    phone.say({ type: "ack", offset: 1 });
    await settle();
    expect(now()).toBeUndefined();
    laptop.say({ type: "ack", offset: 1 });
    expect(await call).toMatchObject({ successfulSends: 2, acknowledged: 2 });
  });

  it("waits no longer for a device that has left", async () => {
    const { phone, laptop, notify, settle } = await world();
    const { call } = notify(60_000);
    await settle();
    phone.say({ type: "ack", offset: 1 });
    laptop.connection.closed();
    expect(await call).toMatchObject({ successfulSends: 2, acknowledged: 1 });
  });

  it("waits no longer than it was told to", async () => {
    const { phone, notify, settle, clock } = await world();
    const { call, now } = notify(500);
    await settle();
    phone.say({ type: "ack", offset: 1 });
    await clock.advance(400);
    expect(now()).toBeUndefined();
    await clock.advance(200);
    expect(await call).toMatchObject({ successfulSends: 2, acknowledged: 1 });
  });

  it("does not wait where nobody got it, nor where nobody asked it to", async () => {
    const { notify, phone, laptop } = await world();
    expect(await notify(0).call).toMatchObject({ successfulSends: 2, acknowledged: 0 });
    phone.connection.closed();
    laptop.connection.closed();
    expect(await notify(60_000).call).toMatchObject({ successfulSends: 0, acknowledged: 0 });
  });
});
