/** The page against the real client and the real server parts, in memory: cuts and crashes at the test's word. */
import { testRuncast } from "runcast/testing";
import { describe, expect, it } from "vitest";
import { planTrip } from "./after.ts";
import { showTrips } from "./page.ts";

const search = { flights: async () => "LH 864", hotels: async () => "Hotel Bristol" };

describe("the trips page", () => {
  it("is up to date again after the network was away", async () => {
    await using runcast = await testRuncast();
    const client = runcast.client("alice");
    const page = showTrips(client);
    const run = await runcast.startRun({ userId: "alice", agent: "trips" });
    await runcast.settle();
    expect(page).toMatchObject({ link: "connected", lines: ["planning (started)"] });

    runcast.network.setOffline(true, "alice");
    await planTrip(run, search);
    await runcast.advance(60_000);
    expect(page).toMatchObject({ link: "connecting again …", lines: ["planning (started)"] });

    runcast.network.setOffline(false, "alice");
    await runcast.advance(10_000);
    expect(page).toMatchObject({ link: "connected", lines: ["LH 864, then Hotel Bristol."] });
    client.close();
  });

  it("shows a run as interrupted when its server was killed and nobody came back for it", async () => {
    await using first = await testRuncast();
    const page = showTrips(first.client("alice"));
    await first.startRun({ userId: "alice", agent: "trips", leaseMs: 30_000 });
    const second = await first.crash();
    await second.advance(70_000);
    expect(page.lines).toEqual(["planning (interrupted)"]);
  });

  it("loses nothing that the log took, when its answer was lost", async () => {
    await using runcast = await testRuncast();
    const run = await runcast.startRun({ userId: "alice", agent: "trips" });
    runcast.log.failAppend("unknown");
    const said = { type: "agent_progress", data: { message: "booking" }, key: "booking" } as const;
    await run.emit(said).catch(() => run.emit(said));
    expect(await runcast.events("alice")).toMatchObject([{ type: "agent_started" }, { type: "agent_progress" }]);
  });
});
