/**
 * Acks that come in at another node than the one that holds their connection, as SSE's do behind a balancer that knows
 * nothing of sessions: they are left in the log, one document for a user and a node, and that node takes them from there.
 * A connection's name says which node holds it, under a mark that only nodes of this log can make: so nobody from outside
 * can have documents written for nodes that never were. Stands between `make-runtime` and `connections`.
 */
import { createHmac } from "node:crypto";
import type { ConnectionId, Offset, StreamKey } from "../../protocol/ids.ts";
import { asConnectionId } from "../../protocol/ids.ts";
import { parseTrusted } from "../../protocol/json.ts";
import { documentOf, type StoredDocument } from "../log/documents.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Clock } from "../platform/clock.ts";
import type { Journal } from "../telemetry/journal.ts";
import type { UserConnection } from "./connection.ts";
import type { Deadlines } from "./deadlines.ts";
import { spread } from "./spread.ts";

const kind = "acks";
const secretKind = "secret";
const secretBytes = 32;
const nodeBytes = 9;
const nodeChars = 12;
const markChars = 16;
/** Between two looks for acks, while there are connections that may get some: an ack is never urgent. */
const lookMs = 400;
/** A document that nobody takes for so long is of a node that is gone. */
const tidyMs = 60_000;
const pageSize = 500;
/** Of one user at one node; the oldest goes, and its client acknowledges again. */
const maxConnections = 32;
const maxTries = 8;

export interface ForeignAcksTerms {
  readonly log: Pick<EventLog, "documents" | "putDocument">;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly journal: Journal;
  /** The connections of this node. */
  readonly held: HeldConnections;
}

export interface HeldConnections {
  get(id: ConnectionId): Pick<UserConnection, "stream" | "ack"> | undefined;
  each(): Iterable<Pick<UserConnection, "transport">>;
}

/** Undefined: no other node serves the log. */
export function foreignAcksOf(
  settings: Omit<ForeignAcksTerms, "deadlines" | "held" | "log"> & { readonly log: EventLog },
  deadlines: Deadlines,
  held: HeldConnections,
): ForeignAcks | undefined {
  return settings.log.isShared ? new ForeignAcks({ ...settings, deadlines, held }) : undefined;
}

type Acks = Readonly<Record<string, Offset>>;

export class ForeignAcks {
  private readonly terms: ForeignAcksTerms;
  private secret: string | undefined;
  /** As this node is called; undefined before it knows the secret: its connections are named as ever until then. */
  private node: string | undefined;
  private isLooking = false;
  /** Versions at the last tidying. */
  private seen = new Map<string, number>();

  constructor(terms: ForeignAcksTerms) {
    this.terms = terms;
  }

  /** Reads the nodes' secret, or makes it; never rejects. */
  async load(): Promise<void> {
    const { clock, journal } = this.terms;
    try {
      this.secret = await this.findSecret();
      const name = Buffer.from(clock.random(nodeBytes)).toString("base64url");
      this.node = `${name}${this.markOf(name)}`;
    } catch (cause) {
      journal.write("warn", "acks.notShared", { cause });
      return void this.terms.deadlines.after(tidyMs, () => void this.load());
    }
    this.tidyLater();
  }

  /** A name for a connection of this node. */
  nameOf(id: string): ConnectionId {
    this.lookLater();
    return asConnectionId(this.node === undefined ? id : `${this.node}.${id}`);
  }

  /** Leaves an ack for the node that holds the connection. False: no node does. Fails: `LogUnavailable`. */
  async leave(connection: ConnectionId, stream: StreamKey, offset: Offset): Promise<boolean> {
    const node = connection.slice(0, nodeChars + markChars);
    const isNode = node.slice(nodeChars) === this.markOf(node.slice(0, nodeChars));
    if (!isNode || node === this.node || connection[node.length] !== ".") return false;
    const key = `${node}:${stream}`;
    for (let tries = 0; tries < maxTries; tries += 1) {
      const found = await documentOf(this.terms.log, kind, key);
      const { [connection]: before = 0, ...others } = found === undefined ? {} : acksOf(found);
      const kept = Object.entries(others).slice(-(maxConnections - 1));
      const value = JSON.stringify({ ...Object.fromEntries(kept), [connection]: Math.max(before, offset) });
      const put = await this.terms.log.putDocument({ kind, key, value, expected: found?.version ?? 0 });
      if (put.kind === "written") return true;
    }
    // Others acknowledge at the same time; this one comes again with the next.
    return true;
  }

  private async findSecret(): Promise<string> {
    const { log, clock } = this.terms;
    const made = Buffer.from(clock.random(secretBytes)).toString("base64url");
    await log.putDocument({ kind: secretKind, key: kind, value: made, expected: 0 });
    const found = await documentOf(log, secretKind, kind);
    if (found === undefined) throw new Error("the secret that names nodes was not kept");
    return found.value;
  }

  private markOf(name: string): string | undefined {
    return this.secret && createHmac("sha256", this.secret).update(name).digest("base64url").slice(0, markChars);
  }

  /** Connections that are acknowledged beside themselves are here. */
  private get isNeeded(): boolean {
    for (const { transport } of this.terms.held.each()) if (transport.kind === "sse") return true;
    return false;
  }

  private take(id: ConnectionId, stream: StreamKey, offset: Offset): void {
    const connection = this.terms.held.get(id);
    if (connection?.stream === stream) connection.ack(offset);
  }

  private lookLater(): void {
    if (this.isLooking) return;
    this.isLooking = true;
    this.terms.deadlines.after(lookMs, () => {
      this.look()
        .catch((cause: unknown) => this.terms.journal.write("debug", "acks.notRead", { cause }))
        .finally(() => {
          this.isLooking = false;
          if (this.isNeeded) this.lookLater();
        });
    });
  }

  private async look(): Promise<void> {
    const { log } = this.terms;
    if (this.node === undefined) return;
    for (let isMore = true; isMore; ) {
      const page = await log.documents({ kind, prefix: `${this.node}:`, limit: pageSize });
      for (const document of page) {
        const stream = document.key.slice(this.node.length + 1) as StreamKey;
        for (const [id, offset] of Object.entries(acksOf(document))) this.take(asConnectionId(id), stream, offset);
        // What came since stays, and is taken at the next look.
        await log.putDocument({ kind, key: document.key, value: undefined, expected: document.version });
      }
      isMore = page.length === pageSize;
    }
  }

  private tidyLater(): void {
    const { deadlines, clock, journal } = this.terms;
    deadlines.after(spread(clock, tidyMs), () => {
      this.tidy()
        .catch((cause: unknown) => journal.write("debug", "acks.notTidied", { cause }))
        .finally(() => this.tidyLater());
    });
  }

  private async tidy(): Promise<void> {
    const { log } = this.terms;
    const seen = new Map<string, number>();
    for (let after = ""; ; ) {
      const page = await log.documents({ kind, after, limit: pageSize });
      for (const { key, version } of page) {
        if (this.seen.get(key) === version) await log.putDocument({ kind, key, value: undefined, expected: version });
        else seen.set(key, version);
      }
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) break;
      after = last.key;
    }
    this.seen = seen;
  }
}

const acksOf = ({ value }: StoredDocument): Acks => parseTrusted(value) as Acks;
