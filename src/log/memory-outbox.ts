/** The outbox of the memory log: the reference for the other adapters, plain and synchronous. */
import { type Offset, type StreamKey, streamOwner } from "../../protocol/ids.ts";
import type { StoredEvent } from "./event-log.ts";
import type { MoveOutbox, OutboxMoved, OutboxPage, OutboxQuery, OutboxRow } from "./outbox.ts";
import { pageAfter } from "./page-place.ts";
import { runsPage } from "./runs-page.ts";

interface Entry {
  /** Order of creation, from 1. */
  readonly place: number;
  row: OutboxRow;
}

export class MemoryOutbox {
  /** Oldest first within a stream. */
  readonly #streams = new Map<StreamKey, Map<Offset, Entry>>();
  #lastPlace = 0;

  add(stream: StreamKey, { id, type, offset, runId, threadId, time }: StoredEvent): void {
    this.#lastPlace += 1;
    const row: OutboxRow = {
      ...{ stream, offset, eventId: id, type, runId, threadId, time },
      ...{ state: "waiting", note: "", version: 1 },
    };
    const ofStream = this.#streams.get(stream) ?? new Map<Offset, Entry>();
    this.#streams.set(stream, ofStream.set(offset, { place: this.#lastPlace, row }));
  }

  page({ tenantId, stream, states, after, limit }: OutboxQuery): OutboxPage {
    const behind = pageAfter(after) ?? 0;
    const asked = stream === undefined ? [...this.#streams.values()] : [this.#streams.get(stream) ?? new Map()];
    const found = asked
      .flatMap((ofStream): Entry[] => [...ofStream.values()])
      .filter(
        ({ place, row }) =>
          place > behind &&
          (states === undefined || states.includes(row.state)) &&
          (tenantId === undefined || streamOwner(row.stream).tenantId === tenantId),
      );
    const { page, next } = runsPage(
      found.sort((a, b) => a.place - b.place),
      limit,
    );
    return { rows: page.map(({ row }) => row), next };
  }

  move({ stream, offset, version, to, note, unlessAcked }: MoveOutbox, isAcked: boolean): OutboxMoved {
    const entry = this.#streams.get(stream)?.get(offset);
    if (entry?.row.version !== version) return { kind: "version_conflict", row: entry?.row };
    const isTooLate = unlessAcked === true && isAcked;
    if (isTooLate || to === undefined) {
      this.#remove(stream, offset);
      return isTooLate ? { kind: "acked" } : { kind: "moved", row: undefined };
    }
    entry.row = { ...entry.row, state: to, note: note ?? entry.row.note, version: version + 1 };
    return { kind: "moved", row: entry.row };
  }

  acked(stream: StreamKey, upto: Offset): void {
    for (const { row } of [...(this.#streams.get(stream)?.values() ?? [])]) {
      if (row.offset <= upto && (row.state === "waiting" || row.state === "exhausted"))
        this.#remove(stream, row.offset);
    }
  }

  retire(stream: StreamKey, upto: Offset): void {
    for (const offset of [...(this.#streams.get(stream)?.keys() ?? [])])
      if (offset <= upto) this.#remove(stream, offset);
  }

  #remove(stream: StreamKey, offset: Offset): void {
    const ofStream = this.#streams.get(stream);
    ofStream?.delete(offset);
    if (ofStream?.size === 0) this.#streams.delete(stream);
  }
}
