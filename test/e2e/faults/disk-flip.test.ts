import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { apiKeys, BuiltServer, userToken } from "../../support/built-server.ts";
import { collect } from "../../support/collecting-client.ts";
import { journalLines, metric } from "../../support/disk/journal-lines.ts";
import { HttpPublisher } from "../../support/http-publisher.ts";
import { call, readAll } from "../../support/http-reader.ts";

const words = ["one", "two", "mark of three", "four", "five"];
/** After the start of the run. */
const flippedOffset = 4;

describe("a flipped bit under a server (FAULTS 8, L10)", () => {
  it("is never delivered: it is a dead letter, the operator hears of it once, and its neighbours come", async () => {
    await using server = await BuiltServer.start();
    const publisher = new HttpPublisher(server.url);
    const run = await publisher.startRun({ userId: "ida", runId: "ida-1" });
    for (const text of words)
      await publisher.publish(run, [{ type: "agent_delta", data: { messageId: "m", channel: "text", text } }]);
    const token = await userToken("ida");
    const said = await readAll(server.url, "/v1/events", token);
    await server.terminate();
    const path = join(server.directory, "runcast.db");
    const bytes = readFileSync(path);
    const at = bytes.indexOf("mark of three");
    expect(bytes.indexOf("mark of three", at + 1)).toBe(-1);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    // In place: the same file as far as the store can tell.
    writeFileSync(path, bytes);
    await server.restart();

    const sound = said.filter(({ offset }) => offset !== flippedOffset);
    const tabs = ["one", "other"].map((device) => collect("ida", { url: server.url, from: "start", device }));
    await Promise.all(tabs.map((tab) => tab.has(words.length + 1)));
    for (const { seen, client } of tabs) {
      expect(seen).toEqual(sound);
      expect(client.status).toMatchObject({ holes: 0 });
    }
    expect(await readAll(server.url, "/v1/events", token)).toEqual(sound);
    expect(await metric(server.url, "runcast_log_corrupt_events_total")).toBe(1);
    expect(journalLines(server, "log.corrupt")).toEqual([
      expect.objectContaining({ level: "error", userId: "ida", from: flippedOffset, upto: flippedOffset, events: 1 }),
    ]);
    const letters = (await call(server.url, "GET /v1/deadletters?userId=ida", { as: apiKeys.admin })).text;
    expect(letters).toContain("corrupt");
    await publisher.publish(run, [{ type: "agent_completed" }]);
    await Promise.all(tabs.map((tab) => tab.has(words.length + 2)));
    await expect
      .poll(async () => (await call(server.url, "GET /v1/ledger?userId=ida", { as: apiKeys.admin })).body)
      .toMatchObject({ accepted: 7, acked: 6, stored: 0, deadLettered: 1, difference: 0 });
    for (const { client } of tabs) client.close();
  });
});
