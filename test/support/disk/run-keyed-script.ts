/**
 * Does the same to a log every time, and says what was acknowledged, one line each: `epoch`, `ack name offset`, `claim
 * fence`. Run again on the same file it repeats every call under the same keys: that is how a killed one is settled.
 */
import { DatabaseSync } from "node:sqlite";
import { asDeviceId } from "../../../protocol/ids.ts";
import type { Append, EventLog } from "../../../src/log/event-log.ts";
import { openSqliteLog } from "../../../src/log/sqlite.ts";
import { alice, bob, event, newRun, run1, started, tenant } from "../../../src/testing/event-log/sample.ts";

const paddingChars = 700;

export interface KeyedScript {
  readonly path: string;
  readonly rounds: number;
  /** `os`: appends do not wait for the disk. */
  readonly durability: "fsync" | "os";
  readonly say: (line: string) => void;
}

/** Two events under keys: both are there, or neither. */
function named(name: string, more: Partial<Append>): Append {
  const events = ["a", "b"].map((part) => {
    const key = { name: `${name}/${part}`, digest: `digest of ${name}` };
    return event(`${name}/${part}`, { key, data: JSON.stringify({ name, padding: "x".repeat(paddingChars) }) });
  });
  return { stream: alice, events, ...more };
}

export async function runKeyedScript({ path, rounds, durability, say }: KeyedScript): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const log = await openSqliteLog({ path, durability });
    const append = (name: string, more: Partial<Append> = {}) => put(log, `${round}.${name}`, more, say);
    say(`epoch ${(await log.position(alice)).epoch}`);
    for (const name of ["1", "2"]) await append(name);
    // One commit of three, for two owners.
    await Promise.all([append("3"), append("4", { stream: bob }), append("5")]);
    if (round === 0) await put(log, "run", started(newRun()), say);
    const seq = (await log.run(tenant, run1))?.seq ?? 0;
    await append("6", { run: { tenantId: tenant, runId: run1, expectedSeq: seq } });
    await log.saveCursors([{ stream: alice, device: asDeviceId("tab"), offset: 2 * (round + 1) }]);
    say(`claim ${(await log.claim(tenant, run1))?.fence}`);
    // What SQLite does by itself once the WAL is long: the next commit begins it anew.
    const other = new DatabaseSync(path);
    other.exec("PRAGMA wal_checkpoint(PASSIVE)");
    other.close();
    for (const name of ["7", "8"]) await append(name);
    await log.close();
  }
}

async function put(log: EventLog, name: string, more: Partial<Append>, say: KeyedScript["say"]): Promise<void> {
  const answer = await log.append(
    more.events === undefined ? named(name, more) : { stream: alice, events: [], ...more },
  );
  if (answer.kind === "appended") say(`ack ${name} ${answer.offset}`);
  // The key is that of the first of two events.
  else if (answer.kind === "key_known") say(`ack ${name} ${answer.known.offset + 1}`);
  else if (answer.kind === "run_exists") say(`ack ${name} ${answer.run.firstOffset}`);
  else throw new Error(`${name} was refused: ${answer.kind}`);
}
