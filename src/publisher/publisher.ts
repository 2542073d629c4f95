/**
 * A runner in a process of its own (`runcast/publisher`): what `createRuncast` gives an embedded runner, over the
 * HTTP API of a server. Needs `fetch` and nothing else.
 */
import type {
  BroadcastResult,
  CancelBody,
  ClaimAnswer,
  NoticeBody,
  ResolveApprovalBody,
  StartRunAnswer,
  StartRunBody,
} from "../../protocol/http.ts";
import type { RunId } from "../../protocol/ids.ts";
import { defaultLeaseMs } from "../../protocol/limits.ts";
import type { Run } from "../runtime/run-handle.ts";
import { eventIds } from "../runtime/event-id.ts";
import { HttpCalls } from "./http-calls.ts";
import type { PublisherOptions } from "./options.ts";
import { settingsOf } from "./options.ts";
import { AlreadyResolved, InvalidInput } from "./publish-failure.ts";
import type { ClaimedRun } from "./remote-run.ts";
import { ClaimedRemoteRun, RemoteRun } from "./remote-run.ts";
import { RunLine } from "./run-line.ts";
import { RunPicture } from "./run-picture.ts";

/** For one run: the trace that all it says belongs to. */
export interface RunTerms {
  readonly traceparent?: string | undefined;
}

export interface Publisher {
  /**
   * Starts a run and gives its handle. Without a `runId` one is made here, so that a repeated start is the same start.
   *
   * Fails: `InvalidInput`, `RunExists`, `Contaminated`, `NotAccepting`, `LogUnavailable`; for a run that was there
   * `RunEnded`, or `Fenced` when another runner has claimed it since.
   */
  startRun(body: StartRunBody, terms?: RunTerms): Promise<Run>;
  /** Takes a living run over: an older handle is fenced from here on. Fails: `NotFound`, `RunEnded`. */
  claim(runId: string, tenantId?: string, terms?: RunTerms): Promise<ClaimedRun>;
  /** Asks a run to stop: its runner's signal aborts, and at the deadline it is ended for it. Fails: `NotFound`, `RunEnded`. */
  cancel(runId: string, options?: CancelBody & { readonly tenantId?: string }): Promise<void>;
  /** Answers an approval of a suspended run. Fails: `NotFound`, `AlreadyResolved`, `RunEnded`. */
  resolveApproval(approvalId: string, answer: ResolveApprovalBody & { readonly tenantId?: string }): Promise<void>;
  /** Sends a user an event that belongs to no run, and counts what became of it. Fails: `KeyConflict`, `Contaminated`. */
  notify(notice: NoticeBody): Promise<BroadcastResult>;
}

const answeredBefore = 200;

/** What has no JSON form cannot travel. */
function bodyOf(value: object): string {
  try {
    return JSON.stringify(value);
  } catch {
    throw new InvalidInput({ code: "invalid", path: "", message: "is not JSON" });
  }
}

/** Fails: throws `InvalidConfig` for an option that cannot be used. Nothing is asked of the server before the first call. */
export function connectPublisher(options: PublisherOptions): Publisher {
  const settings = settingsOf(options);
  const calls = new HttpCalls(settings);
  const nextId = eventIds(settings.clock);
  const untilMono = (leaseMs = defaultLeaseMs) => {
    const endMono = settings.clock.mono() + leaseMs;
    return () => endMono;
  };
  const traceOf = ({ traceparent }: RunTerms) => (traceparent === undefined ? undefined : () => traceparent);
  const traceparent = (terms: RunTerms = {}) => terms.traceparent ?? settings.traceparent();

  return {
    startRun: async (given, terms = {}) => {
      const body = { ...given, runId: given.runId ?? nextId() };
      const tenantId = body.tenantId ?? settings.tenantId;
      const call = { path: "/runs", body: bodyOf(body), expects: "fence", tenantId, traceparent: traceparent(terms) };
      const answer = await calls.settle(call, { untilMono: untilMono(body.leaseMs) });
      const { runId, fence } = answer.body as StartRunAnswer;
      const line = new RunLine(settings, calls, {
        runId,
        fence,
        tenantId,
        leaseMs: body.leaseMs,
        sentMono: answer.sentMono,
        picture: new RunPicture(),
        // A run that was there may have gone on since; one that we made stands at its beginning.
        mayRepair: (body.onIllegal ?? "reject") !== "reject" || isOld(answer.status, answer.isRepeated),
        traceparent: traceOf(terms),
      });
      const run = new RemoteRun(line, nextId);
      // It may be over, or somebody else's by now: then there is no handle to give.
      if (isOld(answer.status, answer.isRepeated)) {
        await run.heartbeat().catch((cause: unknown) => {
          line.end("the run was not taken up");
          throw cause;
        });
      }
      return run;
    },
    claim: async (runId, tenantId = settings.tenantId, terms = {}) => {
      const call = { path: `/runs/${encodeURIComponent(runId)}/claim`, body: "{}", expects: "snapshot", tenantId };
      const answer = await calls.settle({ ...call, traceparent: traceparent(terms) }, { untilMono: untilMono() });
      const { fence, snapshot } = answer.body as ClaimAnswer;
      const line = new RunLine(settings, calls, {
        runId: runId as RunId,
        fence,
        tenantId,
        leaseMs: undefined,
        sentMono: answer.sentMono,
        picture: RunPicture.of(snapshot),
        // Nobody has said what happens to its illegal events.
        mayRepair: true,
        traceparent: traceOf(terms),
      });
      return new ClaimedRemoteRun(line, nextId, snapshot);
    },
    cancel: async (runId, { tenantId, ...body } = {}) => {
      const path = `/runs/${encodeURIComponent(runId)}/cancel`;
      await calls.settle({ path, body: bodyOf(body), expects: "runId", tenantId }, { untilMono: untilMono() });
    },
    resolveApproval: async (approvalId, { tenantId, ...body }) => {
      const path = `/approvals/${encodeURIComponent(approvalId)}`;
      const call = { path, body: bodyOf(body), expects: "decision", tenantId };
      await calls.settle(call, { untilMono: untilMono() }).catch((cause: unknown) => {
        if (!(cause instanceof AlreadyResolved && cause.isRepeated)) throw cause;
        // The answer of an earlier try was lost, and it had decided what we wanted.
        if (cause.resolution.decision !== body.decision) throw cause;
      });
    },
    notify: async (notice) => {
      const body = bodyOf({ ...notice, key: notice.key ?? nextId() });
      const { tenantId, ackWaitMs: extraMs } = notice;
      const call = { path: "/notices", body, expects: "offset", tenantId, extraMs, traceparent: traceparent() };
      const answer = await calls.settle(call, { untilMono: untilMono() });
      return answer.body as BroadcastResult;
    },
  };
}

/** 200 means that it was made before: by somebody, if not by a try of ours that had no answer. */
const isOld = (status: number, isRepeated: boolean): boolean => status === answeredBefore && !isRepeated;
