/**
 * Puts the runtime together: supervisor, runs, hubs, connections over one log. `createRuncast` embeds it, the
 * gateway serves it; both get the same parts, so nobody has a second way (LESSONS 3, 24, 48).
 */
import * as Effect from "effect/Effect";
import type { StreamKey, TenantId } from "../../protocol/ids.ts";
import { runKey, streamOwner } from "../../protocol/ids.ts";
import { NotFound, RunEnded } from "../errors.ts";
import type { RunRecord } from "../log/event-log.ts";
import { tracedLog } from "../log/traced-log.ts";
import { Traces } from "../telemetry/traces.ts";
import { ackBeside } from "./ack-call.ts";
import { answer as answerTo } from "./answer.ts";
import { Approvals } from "./approvals.ts";
import { auditPage } from "./audit-view.ts";
import { BreakerDesk } from "./breaker-desk.ts";
import { Batching } from "./batching.ts";
import { Breakers } from "./breakers.ts";
import { Commands } from "./commands.ts";
import { troublesOf, turnTeller } from "./concerning.ts";
import { Connections } from "./connections.ts";
import { ContactBook } from "./contact-book.ts";
import { contactCalls } from "./contact-calls.ts";
import { ContaminationWatch } from "./contamination-watch.ts";
import { Deadlines } from "./deadlines.ts";
import { DeliveryTraces } from "./delivery-traces.ts";
import { doubtedLog } from "./doubted-log.ts";
import { doorsOf } from "./doors.ts";
import { escalationsOf } from "./escalating.ts";
import { eventIds } from "./event-id.ts";
import { FacadeCalls } from "./facade-calls.ts";
import { flagCalls } from "./flag-calls.ts";
import { requireRight, tenantForRun, tenantOf } from "./gate.ts";
import { type GuardedLogHooks, guardedLog } from "./guarded-log.ts";
import { Hubs } from "./hub.ts";
import { limitedCalls } from "./limited-calls.ts";
import { Lookout } from "./lookout.ts";
import { notify } from "./notices.ts";
import { operatorTerms } from "./operator-terms.ts";
import type { RuntimeOptions } from "./options.ts";
import { settingsOf } from "./options.ts";
import { Orphans } from "./orphans.ts";
import { RunAccess } from "./run-access.ts";
import { RunDesk } from "./run-desk.ts";
import { outboxPage } from "./outbox-view.ts";
import { readCalls } from "./read-calls.ts";
import { Reads } from "./reads.ts";
import { Retention } from "./retention.ts";
import { revocationCalls } from "./revocation-calls.ts";
import { Runs } from "./runs.ts";
import type { RuntimeParts } from "./runtime-parts.ts";
import type { RuntimeService } from "./runtime.ts";
import { statsOf } from "./runtime-stats.ts";
import { Supervisor } from "./supervisor.ts";
import { timeTexts } from "./time-texts.ts";
import { Views } from "./views.ts";

/** How long a drain waits for the log before it says goodbye to the users. */
const drainWriteMs = 2_000;

export function makeRuntime(options: RuntimeOptions): RuntimeParts {
  const given = settingsOf(options);
  const { clock } = given;
  const traces = given.tracer && new Traces(given.tracer, given.journal);
  const supervisor = new Supervisor();
  const onBug = (cause: unknown): void => given.journal.write("error", "deadline.failed", { cause });
  const deadlines = new Deadlines(clock, onBug);
  const breakers = new Breakers({
    supervisor,
    deadlines,
    clock,
    settingsOf: (name) => given.breakers[name],
    onTurn: turnTeller(given.journal, (frame) => connections.tellAll(frame)),
  });
  const hooks: GuardedLogHooks = { onNewEpoch: () => connections.sendHome(), isOn: (flag) => flags.isOn(flag) };
  const { log: bare, recover, rest } = guardedLog(given, breakers, hooks);
  const log = traces === undefined ? bare : tracedLog(bare, traces);
  const nextId = eventIds(clock);
  const timeText = timeTexts(clock.now);
  const hubs = new Hubs(log, clock.mono, traces && new DeliveryTraces(traces), (hub) => {
    given.journal.write("error", "stream.otherEpoch", streamOwner(hub.stream));
    views.forget();
    connections.sendHomeOf(hub);
  });
  const facadeCalls = new FacadeCalls();
  const lookout = new Lookout({
    ...{ given, log, deadlines, breakers, hubs, supervisor, stats: () => service.stats() },
    ...{ runs: () => runs.all(), endings: () => connections.endings },
    ...{ connectionBreakers: () => breakerDesk.countConnections(), refusals: () => limits.refusals },
    isAlertOn: () => flags.isOn("fallbacks.alert"),
    fallback: () => escalating?.escalations.figures,
    facadeCalls,
  });
  const answer: typeof answerTo = (call) => lookout.counted(answerTo(call));
  const settings = { ...given, alerts: lookout.alerts, log: doubtedLog(log, hubs, deadlines) };
  const { flags, userTerms, limits } = operatorTerms(log, given, deadlines, options.maxConnectionsPerUser);
  const contacts = new ContactBook(log, given.contacts);
  const escalating = escalationsOf({
    ...{ settings, log, supervisor, deadlines, breakers, contacts, flags, userTerms, nextId },
    saveCursors: () => connections.saveCursors(),
  });
  const onStalled = (record: RunRecord, stalled: boolean): void => {
    connections.tellStalled(record, stalled);
    orphans.silent(record, stalled);
  };
  const contamination = new ContaminationWatch({ ...settings, deadlines });
  const onContaminated = (tenantId: TenantId): void => contamination.note(tenantId);
  const parts = { settings, supervisor, deadlines, nextId, userTerms };
  const runs = new Runs({
    ...{ ...parts, timeText, onContaminated, onStalled },
    isCritical: escalating?.isCritical,
    takeOrphan: (key) => orphans.take(key),
  });
  const views = new Views(log, (record) => connections.isStalled(record));
  const approvals = new Approvals(log, runs, views);
  const { graceMs, journal } = settings;
  const orphans = new Orphans({ log, clock, deadlines, runs, views, graceMs, journal, timeText, onStalled });
  const access = new RunAccess(log, runs);
  const commands = new Commands(settings, limits, access, approvals, runs.policy);
  const troubles = () => troublesOf(breakers);
  const doors = doorsOf({ ...settings, log, deadlines });
  const modeOf = (...run: Parameters<Runs["atHand"]>) => runs.atHand(...run)?.run.record.mode;
  const batching = new Batching({ clock, onBug, userTerms, modeOf });
  const connections = new Connections({
    ...{ ...parts, limits, batching, hubs, views, commands, troubles, ...doors },
    onAcked: (stream, upto) => escalating?.escalations.acked(stream, upto),
  });
  const dropNotices = async (stream: StreamKey) => escalating?.escalations.dropOf(stream);
  const breakerDesk = new BreakerDesk(breakers, connections, given.auditLog);
  flags.onChange(() => batching.rethink(connections.each()));
  const saveCursors = (): Promise<void> => connections.saveCursors();
  const reads = new Reads(log, saveCursors);
  const saveClaims = (): Promise<void> => userTerms.saveClaims();
  const retention = new Retention({ ...settings, tiers: userTerms.retention, deadlines, saveCursors, saveClaims });
  const unwatch = log.watch((bell) => {
    hubs.ring(bell);
    if (bell.events !== undefined) return;
    const { tenantId } = streamOwner(bell.stream);
    for (const runId of connections.stalled.of(bell.stream)) orphans.heard(runKey(tenantId, runId));
  });
  const notices = {
    settings,
    connections,
    deadlines,
    nextId,
    timeText,
    isCritical: escalating?.isCriticalNotice,
    countAccepted: () => {
      runs.counts.eventsAccepted += 1;
    },
    policy: runs.policy,
  };

  const service: RuntimeService = {
    startRun: (caller, body, traceparent) =>
      answer(async () => {
        requireRight(caller, "publish");
        const tenantId = tenantOf(caller, body.tenantId as TenantId | undefined);
        supervisor.requireAccepting();
        const { answer: made, created } = await runs.start(tenantId, body, traceparent);
        return { answer: made, created };
      }),
    publish: (caller, named, runId, body, traceparent) =>
      answer(async () => {
        requireRight(caller, "publish");
        const terms = { fence: body.fence, ifSeq: body.ifSeq, traceparent };
        const tenantId = tenantForRun(caller, named);
        const published = await runs.publish(tenantId, runId, body.events, terms);
        const isCancelling = runs.atHand(tenantId, runId)?.run.isCancelling ?? false;
        return isCancelling ? { ...published, cancelRequested: true as const } : published;
      }),
    heartbeat: (caller, named, runId, body) =>
      answer(async () => {
        requireRight(caller, "publish");
        const desk = await access.touch(caller, named, runId, true);
        if (!(desk instanceof RunDesk)) throw new RunEnded({ state: desk.ended ?? "completed" });
        desk.run.requireFence(body.fence);
        await desk.heard();
        return {
          leaseUntil: new Date(desk.lease.untilMs).toISOString(),
          ...(desk.run.isCancelling && { cancelRequested: true as const }),
        };
      }),
    claim: (caller, named, runId) =>
      answer(async () => {
        requireRight(caller, "publish");
        await access.touch(caller, named, runId);
        const { fence, seq, desk } = await runs.claim(tenantForRun(caller, named), runId);
        const snapshot = await views.view({ ...desk.run.record, seq });
        if (snapshot === undefined) throw new NotFound({ what: "run" });
        return { fence, seq, snapshot };
      }),
    cancel: (...call) => answer(() => access.cancel(...call)),
    resolveApproval: (...call) => answer(() => approvals.resolve(...call)),
    notify: (caller, body) =>
      answer(() => {
        requireRight(caller, "publish");
        return notify(notices, tenantOf(caller, body.tenantId as TenantId | undefined), body);
      }),
    audit: (...call) => answer(() => auditPage(settings.auditLog, ...call)),
    ...readCalls({ answer, log, access, runs, views, reads, connections, deadlines }),
    ...flagCalls(flags),
    breakers: (caller) => answer(() => breakerDesk.read(caller)),
    resetBreaker: (caller, name) => answer(() => breakerDesk.reset(caller, name)),
    ...contactCalls(contacts, given.vapidPublicKey),
    outbox: (...call) => answer(() => outboxPage(log, ...call)),
    ack: (...call) => answer(() => ackBeside(connections, ...call)),
    ...revocationCalls({ ...settings, ...doors, connections, dropNotices }),
    ...doors,
    open: (connection) => answer(() => connections.open(connection)),
    state: () => supervisor.state,
    stats: () => statsOf({ connections, runs, hubs, supervisor, retention, contamination, lookout, log }),
    figures: () => lookout.figures(),
    alerts: (caller) => answer(() => lookout.answer(caller)),
    drain: Effect.promise(async () => {
      if (supervisor.state === "stopped") return;
      supervisor.tell({ type: "stop.requested" });
      const desks = [...runs.all()];
      const ends = desks.filter(({ isEmbedded }) => isEmbedded).map((desk) => desk.interrupt("shutdown"));
      // What was accepted, and how it ends, is told before the goodbye; a log that is silent keeps nobody here.
      const written = Promise.all([...ends, ...desks.map((desk) => desk.run.settled())]);
      await Promise.race([written, new Promise<void>((resolve) => void clock.after(drainWriteMs, resolve))]);
      await connections.drain();
      // What is not written now is said again by the next credential.
      await saveClaims().catch(() => {});
      await written;
      doors.authEvents.stop();
      unwatch();
      await escalating?.escalations.stop();
      orphans.stop();
      retention.stop();
      await lookout.close();
      deadlines.stop();
      batching.stop();
      await rest();
      supervisor.tell({ type: "drain.finished" });
    }),
  };

  const streamOf = (...run: Parameters<Runs["atHand"]>) => runs.atHand(...run)?.run.record.stream;
  return {
    service: { ...service, ...limitedCalls(service, limits, streamOf, (stream) => userTerms.recall(stream)) },
    runs,
    supervisor,
    breakers,
    facadeCalls,
    flags,
    prepare: async () =>
      void (await Promise.all([flags.load(), doors.revocations.load(), connections.foreignAcks?.load()])),
    alerts: lookout.alerts,
    log,
    recover,
    start: (onOrphan) => {
      supervisor.tell({ type: "store.opened" });
      retention.start();
      lookout.start();
      escalating?.escalations.start();
      return orphans.sweep(onOrphan);
    },
  };
}
