/**
 * Appends: what the indexes must know first, then one script on the stream, which alone decides. A run's id is announced
 * in a slot of its own before the run is made; where another stream has announced it and the run never came, that
 * announcement is barred in its stream before it is taken over, so that never two runs bear one id.
 */
import { type RunKey, runKey, type StreamKey } from "../../../protocol/ids.ts";
import type { TerminalState } from "../../../protocol/run-view.ts";
import { assertAppend } from "../append-rules.ts";
import type { Bells } from "../bells.ts";
import { newEpoch } from "../epoch.ts";
import type { Append, Appended, NewEvent, NewRun } from "../event-log.ts";
import { escalatedOf, storedEvents } from "../stored-event.ts";
import { unavailable } from "./failure.ts";
import type { IndexCalls } from "./index-calls.ts";
import {
  addScript,
  announceScript,
  listScript,
  placeRunScript,
  placeScript,
  removeScript,
  takeOverScript,
} from "./index-scripts.ts";
import { outboxRowOf } from "./outbox.ts";
import { recordOf } from "./record.ts";
import { placedRun } from "./run-record.ts";
import type { Runs } from "./runs.ts";
import type { StreamAnswer, StreamCalls } from "./stream-calls.ts";
import { appendScript, barScript } from "./stream-scripts.ts";
import type { Turns } from "./turns.ts";

/** How often an id is fought over before it is given up. */
const maxTries = 8;

export interface AppendPorts {
  readonly index: IndexCalls;
  readonly streams: StreamCalls;
  readonly runs: Runs;
  readonly turns: Turns;
  readonly listeners: Bells;
  /** Draws nonces. */
  readonly random: (count: number) => Uint8Array;
  /** Names this process in bells. */
  readonly writer: string;
  /** What the append must still wait for once it is written. */
  readonly replicated: (stream: StreamKey) => Promise<void>;
}

/** Where the rows of an append stand in the index of the outbox. */
interface OutboxPlaces {
  readonly places: readonly string[];
  readonly entries: readonly string[];
}

export class Appends {
  readonly #ports: AppendPorts;
  /** Of runs that are being made here: who makes the same one waits. */
  readonly #creating = new Map<RunKey, Promise<unknown>>();

  constructor(ports: AppendPorts) {
    this.#ports = ports;
  }

  append(what: Append): Promise<Appended> {
    const { runs, streams, turns } = this.#ports;
    try {
      assertAppend(what);
    } catch (error) {
      return Promise.reject(error);
    }
    const { run, stream } = what;
    const key = run && runKey(run.tenantId, run.runId);
    const isOneStep =
      run?.create === undefined &&
      (run?.approvals ?? []).length === 0 &&
      (what.escalate ?? []).length === 0 &&
      (run !== undefined || streams.knows(stream));
    const write = (): Promise<Appended> =>
      isOneStep
        ? turns.step(stream, () =>
            this.#sendListed(what, undefined, undefined).then((answer) => this.#settle(what, answer)),
          )
        : turns.steps(stream, () => this.#inSteps(what));
    if (key === undefined) return write();
    const pending = (run?.create && this.#creating.get(key)) ?? runs.pending(key);
    runs.hint(key, stream);
    const answer = pending === undefined ? write() : pending.then(write, write);
    if (run?.create !== undefined) this.#isBeingMade(key, answer);
    return answer;
  }

  #isBeingMade(run: RunKey, answer: Promise<unknown>): void {
    this.#creating.set(run, answer);
    void answer
      .catch(() => {})
      .then(() => {
        if (this.#creating.get(run) === answer) this.#creating.delete(run);
      });
  }

  async #inSteps(what: Append): Promise<Appended> {
    const { index } = this.#ports;
    const { run } = what;
    const [outbox] = await Promise.all([this.#placeOutbox(what), this.#announceApprovals(what)]);
    const answer =
      run?.create === undefined
        ? await this.#sendListed(what, undefined, outbox)
        : await this.#create(what, run.create, runKey(run.tenantId, run.runId), outbox);
    if (answer.words[0] !== "appended" && outbox !== undefined)
      await index.write(index.keys.outbox, removeScript, "all", ...outbox.entries);
    return this.#settle(what, answer);
  }

  /** A stream that nobody has written to is listed first. */
  async #sendListed(
    what: Append,
    creation: Creation | undefined,
    outbox: OutboxPlaces | undefined,
  ): Promise<StreamAnswer> {
    const { index } = this.#ports;
    const answer = await this.#send(what, creation, outbox, false);
    if (answer.words[0] !== "unlisted") return answer;
    await index.write(index.keys.streams, listScript, what.stream);
    return this.#send(what, creation, outbox, true);
  }

  async #create(what: Append, create: NewRun, run: RunKey, outbox: OutboxPlaces | undefined): Promise<StreamAnswer> {
    const { index, streams, random } = this.#ports;
    const { stream } = what;
    const idKey = index.keys.run(create.tenantId, create.runId);
    const [first, [place = "", entry = ""]] = await Promise.all([
      index.write(idKey, announceScript, stream, newEpoch(random)),
      index.write(index.keys.runs, placeRunScript, `${run}\n${stream}`),
      streams.knows(stream) ? undefined : index.write(index.keys.streams, listScript, stream),
    ]);
    let announced = first;
    const unplaced = (): void => {
      for (const set of ["all", "living"]) void index.write(index.keys.runs, removeScript, set, entry).catch(() => {});
    };
    for (let tries = 0; tries < maxTries; tries += 1) {
      const [, at = "", nonce = ""] = announced;
      if (at !== stream) {
        const barred = await streams.write(at as StreamKey, barScript, run, nonce);
        if (barred.words[0] === "run") {
          unplaced();
          return { ...barred, words: ["run_exists", ...barred.words.slice(1)] };
        }
      } else {
        const { parentRunId } = create;
        const asksParent = what.run?.asksFamily === true && parentRunId !== undefined;
        const parent = asksParent ? runKey(create.tenantId, parentRunId) : "";
        const creation = { nonce, place, entry, text: JSON.stringify(create), parent };
        const answer = await this.#sendListed(what, creation, outbox);
        if (answer.words[0] !== "barred") {
          if (answer.words[0] !== "appended") unplaced();
          return answer;
        }
      }
      // Under this nonce the run comes no more, here or there: whoever is first announces it anew.
      await index.write(idKey, takeOverScript, nonce, stream, newEpoch(random));
      announced = await index.write(idKey, announceScript, stream, newEpoch(random));
    }
    throw unavailable("others try to make the same run again and again");
  }

  async #placeOutbox({ stream, escalate = [] }: Append): Promise<OutboxPlaces | undefined> {
    if (escalate.length === 0) return undefined;
    const { index } = this.#ports;
    const words = await index.write(index.keys.outbox, placeScript, ...escalate.map(() => stream));
    return {
      places: words.filter((_, at) => at % 2 === 0),
      entries: words.filter((_, at) => at % 2 === 1),
    };
  }

  async #announceApprovals({ run, stream }: Append): Promise<void> {
    const { index } = this.#ports;
    const entry = run && `${runKey(run.tenantId, run.runId)}\n${stream}`;
    if (run === undefined || entry === undefined) return;
    await Promise.all(
      (run.approvals ?? []).map((id) =>
        index.write(index.keys.approval(run.tenantId, id), addScript, "all", "0", entry),
      ),
    );
  }

  #send(
    what: Append,
    creation: Creation | undefined,
    outbox: OutboxPlaces | undefined,
    isListed: boolean,
  ): Promise<StreamAnswer> {
    const { streams, writer } = this.#ports;
    const { stream, run, events, escalate = [] } = what;
    const bell = streams.servers.keys.channel(stream);
    const asksChildren = run?.asksFamily === true && run.ended !== undefined;
    const args = [creation ? "c" : asksChildren ? "e" : run ? "r" : "n", isListed ? "1" : "0", bell, writer];
    if (run !== undefined) {
      const { approvals = [], fence, expectedSeq, ended } = run;
      args.push(runKey(run.tenantId, run.runId), fence === undefined ? "" : String(fence), String(expectedSeq));
      args.push(ended ?? "", String(approvals.length), ...approvals);
    }
    if (creation !== undefined)
      args.push(creation.nonce, creation.place, creation.entry, creation.text, creation.parent);
    for (const [at, event] of events.entries()) {
      const row = escalate.indexOf(at);
      args.push(event.time, recordOf(stream, event, run?.runId, run && run.expectedSeq + at + 1));
      args.push(`${event.key ? "k" : ""}${row >= 0 ? "b" : ""}`);
      if (event.key !== undefined) args.push(event.key.name, event.key.digest);
      if (row >= 0) args.push(outbox?.places[row] ?? "", outboxRowOf(event, run?.runId));
    }
    return streams.write(stream, appendScript, ...args);
  }

  async #settle(what: Append, { epoch, words }: StreamAnswer): Promise<Appended> {
    const { listeners, runs, streams } = this.#ports;
    const [word, ...said] = words;
    if (word !== "appended") return refusal(word, said);
    const [head = "", seqText = "", fence = "", , entry = ""] = said;
    const [offset, seq] = [Number(head), Number(seqText)];
    const { stream, run } = what;
    streams.saw(stream, epoch, offset);
    if (run?.ended !== undefined) void runs.ended(entry, lastTime(what.events)).catch(() => {});
    try {
      await this.#ports.replicated(stream);
    } catch (error) {
      // It is in the log, and readers will find it: only what it takes to outlive the server is unknown.
      listeners.ring({ stream, epoch, head: offset });
      throw error;
    }
    const events = storedEvents(what, offset, seq);
    listeners.ring({ stream, epoch, head: offset, events, escalated: escalatedOf(what, events) });
    return { kind: "appended", epoch, offset, seq, fence: Number(fence) };
  }
}

interface Creation {
  readonly nonce: string;
  readonly place: string;
  readonly entry: string;
  /** The record as it was handed in. */
  readonly text: string;
  /** Key of the run that must live; empty: none is asked for. */
  readonly parent: string;
}

const lastTime = (events: readonly NewEvent[]): string => events.at(-1)?.time ?? "";

function refusal(word: string | undefined, said: readonly string[]): Appended {
  const [one = "", two = ""] = said;
  switch (word) {
    case "run_exists":
      return { kind: "run_exists", run: placedRun(said, 0).record };
    case "no_run":
      return { kind: "no_run" };
    case "fenced":
      return { kind: "fenced", fence: Number(one) };
    case "seq_conflict":
      return { kind: "seq_conflict", seq: Number(one) };
    case "run_ended":
      return { kind: "run_ended", ended: one as TerminalState };
    case "no_parent":
      return { kind: "no_parent" };
    case "child_lives":
      return { kind: "child_lives" };
    case "key_known":
      return { kind: "key_known", key: one, known: knownKey(two) };
    default:
      throw new Error(`the Redis server answered an append with ${word ?? "nothing"}`);
  }
}

/** What stands at a key: `<seq>:<offset>:<digest>`. */
export function knownKey(text: string): { readonly seq: number; readonly offset: number; readonly digest: string } {
  const [seq, offset] = text.split(":", 2);
  return { digest: text.slice(`${seq}:${offset}:`.length), seq: Number(seq), offset: Number(offset) };
}
