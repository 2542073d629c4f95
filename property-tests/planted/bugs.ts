/**
 * Bugs that are planted into the real code, one at a time, to see whether the simulation finds them: each is a mistake
 * that somebody could make, in a place where a law hangs on one line. A law that lets its bug live would prove nothing.
 */

export interface Edit {
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface PlantedBug {
  readonly name: string;
  readonly says: string;
  readonly edits: readonly Edit[];
  /** What looks for it; default `simulation`. */
  readonly seenBy?: "simulation" | "several" | "reading" | "isolation";
  /** Seed of a world that shows it, where that is rare: the test begins there. */
  readonly foundAt?: number;
}

const edit = (file: string, find: string, replace: string): Edit => ({ file, find, replace });
const outbox = "src/runtime/outbox.ts";
const resume = "src/runtime/resume.ts";
const liveRun = "src/runtime/live-run.ts";
const rules = "src/log/append-rules.ts";
const position = "src/client/stream-position.ts";
const connections = "src/runtime/connections.ts";

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: "answer-before-commit",
    says: "a publisher is told before its events are durable",
    edits: [
      edit(
        liveRun,
        "    this.host.log.append(batch.appendTo(this.record)).then(\n",
        "    batch.resolve(this.offset + 1 - batch.afterSeq);\n    this.host.log.append(batch.appendTo(this.record)).then(\n",
      ),
    ],
  },
  {
    name: "no-dedup",
    says: "the client hands over what came before",
    edits: [
      edit(position, "if (event.offset <= last) {", "if (event.offset < 0) {"),
      edit(
        resume,
        "snapshot: false, after: cursor.offset };",
        "snapshot: false, after: Math.max(0, cursor.offset - 1) };",
      ),
    ],
  },
  {
    name: "resume-skips-one",
    says: "a resume begins one event too late",
    edits: [
      edit(
        resume,
        "snapshot: false, after: cursor.offset };",
        "snapshot: false, after: Math.min(cursor.offset + 1, position.head) };",
      ),
    ],
  },
  {
    name: "hole-passes",
    says: "the client takes a frame behind a hole, and a resume begins one event too late",
    edits: [
      edit(position, "this.#expected === undefined || after > this.#expected", "this.#expected === undefined"),
      edit(
        resume,
        "snapshot: false, after: cursor.offset };",
        "snapshot: false, after: Math.min(cursor.offset + 1, position.head) };",
      ),
    ],
  },
  {
    name: "resume-acks-nothing",
    foundAt: 242,
    says: "a resume does not count as an ack",
    edits: [edit(resume, `{ resumed: "replayed", ackedUpto: cursor.offset,`, `{ resumed: "replayed",`)],
  },
  {
    name: "epoch-ignored",
    says: "a cursor of another history is replayed",
    edits: [edit(resume, `cursor.epoch !== epoch ? otherEpoch : `, "")],
  },
  {
    name: "ahead-ignored",
    foundAt: 31,
    says: "a cursor beyond the head is taken as it is",
    edits: [edit(resume, `cursor.offset > head ? "ahead" : undefined`, "undefined")],
  },
  {
    name: "silent-retention",
    foundAt: 20,
    says: "what retention has taken is not declared to who comes back",
    edits: [
      edit(resume, "if (after >= first - 1) return undefined;", "if (after >= 0 || first < 0) return undefined;"),
      edit(outbox, "if (slice.first > this.scanned + 1) this.declareGap", "if (slice.first < 0) this.declareGap"),
    ],
  },
  {
    name: "fence-ignored",
    says: "a runner that was shut out goes on writing",
    edits: [
      edit("src/runtime/run-picture.ts", "    if (fence !== this.fence)\n", "    if (fence === undefined)\n"),
      edit(rules, "target.fence !== undefined && target.fence !== run.fence", "target.fence === -1"),
    ],
  },
  {
    name: "seq-ignored",
    foundAt: 168,
    says: "the log takes an append whatever the writer knew of the run",
    edits: [edit(rules, "if (target.expectedSeq !== run.seq) return", "if (target.expectedSeq < 0) return")],
  },
  {
    name: "ended-ignored",
    foundAt: 68,
    says: "the log takes events of a run that is over",
    edits: [
      edit(rules, "if (run.ended !== undefined) return", `if (run.ended === ("never" as never)) return`),
      edit(rules, "if (target.expectedSeq !== run.seq) return", "if (target.expectedSeq < 0) return"),
    ],
  },
  {
    name: "keys-forgotten",
    says: "a retry under a known key is written again",
    edits: [
      edit(
        "src/runtime/run-keys.ts",
        "if (prepared.every(({ digest }) => digest === undefined)) return prepared;",
        "if (nextSeq > 0) return prepared;",
      ),
      edit(rules, "if (event.key === undefined) continue;", "if (event.key?.name !== undefined) continue;"),
    ],
  },
  {
    name: "illegal-passes",
    says: "an event that the machine refuses is written",
    edits: [edit("src/runtime/judge.ts", "return actor.getSnapshot() !== before;", "return isLiving(before);")],
  },
  {
    name: "window-ignored",
    says: "a reader that never acknowledges is sent everything",
    edits: [
      edit(
        "src/runtime/unacked.ts",
        "return this.events >= this.window.maxEvents || this.bytes >= this.window.maxBytes;",
        "return false;",
      ),
      edit(
        "src/runtime/unacked.ts",
        "return { maxEvents: this.window.maxEvents - this.events, maxBytes: this.window.maxBytes - this.bytes };",
        "return this.window;",
      ),
    ],
  },
  {
    name: "lost-wake-up",
    says: "a reader that was blocked is not served when its window opens",
    edits: [
      edit(outbox, `if (this.mode === "blocked") this.pump();\n    return true;`, "return true;"),
      edit(
        outbox,
        `if (this.mode === "blocked") this.pump();\n    if (this.mode === "live"`,
        `if (this.mode === "live"`,
      ),
      edit(outbox, "      if (!this.hasRoom()) return this.fallBehind();\n", "      return this.fallBehind();\n"),
    ],
  },
  {
    name: "bell-lost-while-opening",
    seenBy: "reading",
    foundAt: 85,
    says: "what is committed while a stream is being opened is not heard",
    edits: [edit("src/runtime/hub.ts", "this.opening.get(bell.stream)?.heard.push(bell);", "")],
  },
  {
    name: "tail-before-snapshot",
    foundAt: 150,
    says: "the tail begins where the stream was opened, not where its snapshot was taken",
    edits: [
      edit("src/runtime/connection.ts", "const after = snapshot?.at ?? start.after;", "const after = start.after;"),
    ],
  },
  {
    name: "merge-across",
    says: "deltas are merged across other events",
    edits: [
      edit(
        "src/runtime/frames.ts",
        "    close();\n    if (delta === undefined) merged.push(event);\n",
        "    if (delta === undefined) {\n      merged.push(event);\n      continue;\n    }\n    close();\n    if (delta === undefined) merged.push(event);\n",
      ),
    ],
  },
  {
    name: "retires-the-living",
    foundAt: 52,
    says: "retention takes a run that lives",
    edits: [
      edit("src/log/retire-rules.ts", "if (ended === undefined || lastOffset > oldUpto)", "if (lastOffset > oldUpto)"),
    ],
  },
  {
    name: "whole-of-a-merged",
    foundAt: 323,
    says: "who comes back from inside a compacted delta gets all of its text again",
    edits: [
      edit(
        "src/log/merged-delta.ts",
        "if (cuts === undefined || seen <= 0) return event;",
        "if (cuts === undefined || seen <= 0 || event.offset > 0) return event;",
      ),
    ],
  },
  {
    name: "compacts-across",
    foundAt: 130,
    says: "compaction joins deltas that other events stand between",
    edits: [edit("src/log/merged-delta.ts", "      next.event.offset - cover === event.offset &&\n", "")],
  },
  {
    name: "lease-forgotten",
    says: "a silent runner is never given up",
    edits: [
      edit(
        "src/runtime/run-desk.ts",
        `onLost: () => void this.interrupt("lease_expired", () => this.lease.isLost),`,
        "onLost: () => {},",
      ),
    ],
  },
  {
    name: "orphans-forgotten",
    says: "what a former process left unfinished is watched by nobody",
    edits: [
      edit(
        "src/runtime/orphans.ts",
        "if (this.watch(record, mark)) {",
        "if (record.seq < 0 && this.watch(record, mark)) {",
      ),
    ],
  },
  {
    name: "failed-write-forgotten",
    foundAt: 78,
    says: "a run whose write had no known outcome is watched by nobody",
    edits: [
      edit("src/runtime/desks.ts", "    this.lookAfter(run.record);\n", ""),
      edit("src/runtime/orphans.ts", "    this.terms.deadlines.after(this.sweepMs, () => void this.sweep());\n", ""),
    ],
  },
  {
    name: "failed-write-kept",
    says: "a run goes on with its picture although nobody knows what became of its write",
    edits: [edit(liveRun, "    this.host.drop(this, endOf(cause));\n", "    this.broken = undefined;\n")],
  },
  {
    name: "second-answer-wins",
    foundAt: 61,
    says: "an approval can be answered twice",
    edits: [
      edit(
        "machines/run.ts",
        `context.approvals[event.data.approvalId] === "open"`,
        `context.approvals[event.data.approvalId] !== undefined`,
      ),
    ],
  },
  {
    name: "acks-lost",
    foundAt: 69,
    says: "acks that the log did not take are forgotten",
    edits: [edit("src/runtime/unsaved-cursors.ts", "for (const cursor of cursors) this.note(cursor);", "")],
  },
  {
    name: "parent-before-child",
    says: "a run completes while its children live",
    edits: [
      edit(
        "src/runtime/run-desk.ts",
        "    this.children.add(child);\n    if (this.terms.shared)",
        "    if (this.terms.shared)",
      ),
    ],
  },
  {
    name: "quarantine-shown",
    says: "an illegal event of a quarantining run is delivered",
    edits: [
      edit(
        "src/runtime/judge.ts",
        `if (onIllegal === "quarantine") verdict.apart.push({ event, reason });`,
        `if (onIllegal === "quarantine") verdict.legal.push({ event, index });`,
      ),
    ],
  },
  {
    name: "no-rejudging",
    seenBy: "several",
    foundAt: 16,
    says: "what was judged by an old picture is written behind what another node wrote",
    edits: [
      edit(
        "src/runtime/run-turns.ts",
        "      answer = await host.log.append(batch.appendTo(run.record, true));\n",
        `      const append = batch.appendTo(run.record, true);
      answer = await host.log.append(append);
      if (answer.kind === "seq_conflict" && append.run)
        answer = await host.log.append({ ...append, run: { ...append.run, expectedSeq: answer.seq } });\n`,
      ),
    ],
  },
  {
    name: "foreign-claim-unnoticed",
    seenBy: "several",
    foundAt: 47,
    says: "a node does not notice that a run was claimed at another one",
    edits: [edit("src/runtime/run-turns.ts", "if (record.fence !== run.fence) {", "if (record.fence < 0) {")],
  },
  {
    name: "foreign-child-forgotten",
    seenBy: "several",
    foundAt: 139,
    says: "a run completes while a child lives that another node made",
    edits: [edit("src/runtime/batch.ts", '(isShared && ended === "completed") || undefined', "undefined")],
  },
  {
    name: "heartbeat-unmarked",
    seenBy: "several",
    foundAt: 82,
    says: "the other nodes do not hear of a heartbeat",
    edits: [edit("src/runtime/run-desk.ts", "    await this.terms.shared?.mark.write();\n", "")],
  },
  {
    name: "other-history-shown",
    seenBy: "several",
    foundAt: 87,
    says: "readers of a history that the store has lost are not sent home",
    edits: [
      edit(
        "src/runtime/hub.ts",
        "if (!this.log.isShared || epoch === hub.epoch) return false;",
        "if (epoch.length > 0) return false;",
      ),
    ],
  },
  {
    name: "key-without-tenant",
    seenBy: "isolation",
    says: "users of the same name in two tenants share a stream",
    edits: [
      edit(
        "protocol/ids.ts",
        "return `${tenantId.length}:${tenantId}:${userId}` as StreamKey;",
        "return (tenantId.length > 0 ? `0::${userId}` : userId) as StreamKey;",
      ),
    ],
  },
  {
    name: "run-without-tenant",
    seenBy: "isolation",
    says: "living runs of the same name in two tenants are one",
    edits: [edit("protocol/ids.ts", "`${runId}/${tenantId}`", "(tenantId.length > 0 ? `${runId}/` : runId)")],
  },
  {
    name: "owner-unasked",
    seenBy: "isolation",
    foundAt: 11,
    says: "the gate lets users touch any run of their tenant",
    edits: [
      edit(
        "src/runtime/gate.ts",
        "return record.stream === streamKey(caller.tenantId, caller.userId);",
        "return record.tenantId === caller.tenantId;",
      ),
    ],
  },
  {
    name: "bell-by-user",
    seenBy: "isolation",
    says: "the bell of a stream rings for users of that name in any tenant",
    edits: [
      edit(
        "src/runtime/hub.ts",
        "const hub = this.hubs.get(bell.stream);",
        'const hub = [...this.hubs.values()].find(({ stream }) => stream.split(":").at(-1) === bell.stream.split(":").at(-1));',
      ),
    ],
  },
  {
    name: "approval-of-anybody",
    seenBy: "isolation",
    foundAt: 6,
    says: "an approval is looked for in the whole tenant, and the newest of that name is found",
    edits: [
      edit(
        "src/runtime/approvals.ts",
        'const own = caller.kind === "user" ? streamKey(caller.tenantId, caller.userId) : undefined;',
        'const own = caller.kind === "user" && caller.userId.length === 0 ? streamKey(caller.tenantId, caller.userId) : undefined;',
      ),
    ],
  },
  {
    name: "ack-of-anybody",
    seenBy: "isolation",
    foundAt: 17,
    says: "an ack beside the stream is taken for any connection",
    edits: [
      edit(
        "src/runtime/ack-call.ts",
        "if (connection.stream !== own) throw foreignThing",
        "if (own.length === 0) throw foreignThing",
      ),
    ],
  },
  {
    name: "stalled-to-all",
    seenBy: "isolation",
    says: "every connection hears that somebody's run is stalled",
    edits: [
      edit(
        connections,
        "for (const connection of this.ofStream(stream)) this.terms.supervisor.write(connection.transport, encoded);",
        "for (const connection of this.all.values()) this.terms.supervisor.write(connection.transport, encoded);",
      ),
    ],
  },
  {
    name: "page-counts-all",
    seenBy: "isolation",
    foundAt: 23,
    says: "a page of a user's runs is named by how many runs there are of all users",
    edits: [edit("src/log/memory.ts", "place: query.stream === undefined ? place : record.firstOffset,", "place,")],
  },
  {
    name: "ping-in-turn",
    seenBy: "isolation",
    says: "when a connection is pinged depends on how many others there are",
    edits: [
      edit(
        "src/runtime/heartbeat.ts",
        "const step = Number.parseInt(id.charAt(randomDigit), stepCount) || 0;",
        "const step = (this.steps.reduce((sum, { size }) => sum + size, id.length - id.length)) % stepCount;",
      ),
    ],
  },
];
