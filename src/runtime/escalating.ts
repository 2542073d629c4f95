/**
 * Puts the escalation of critical events together, where there is a channel to tell anybody by: `make-runtime` asks it
 * for what the runs, the notices and the connections need of it. Without channels nothing of it exists.
 */
import type { StreamKey } from "../../protocol/ids.ts";
import type { SwitchName } from "../../protocol/flags.ts";
import type { ChannelName } from "../fallback/channel.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Breakers } from "./breakers.ts";
import type { ContactBook } from "./contact-book.ts";
import type { Deadlines } from "./deadlines.ts";
import { EscalationRules } from "./escalation-policy.ts";
import { Escalations } from "./escalations.ts";
import type { Flags } from "./flags.ts";
import type { Settings } from "./options.ts";
import type { RunHost } from "./run-host.ts";
import type { Supervisor } from "./supervisor.ts";
import type { UserTerms } from "./user-terms.ts";

export interface EscalatingTerms {
  readonly settings: Settings;
  readonly log: EventLog;
  readonly supervisor: Supervisor;
  readonly deadlines: Deadlines;
  readonly breakers: Breakers;
  readonly contacts: ContactBook;
  readonly flags: Flags;
  readonly userTerms: UserTerms;
  readonly nextId: () => string;
  readonly saveCursors: () => Promise<void>;
}

export interface Escalating {
  readonly escalations: Escalations;
  readonly isCritical: NonNullable<RunHost["isCritical"]>;
  readonly isCriticalNotice: (stream: StreamKey) => boolean;
}

const switches: Readonly<Record<ChannelName, SwitchName>> = {
  "web-push": "fallbacks.webPush",
  webhook: "fallbacks.webhook",
  email: "fallbacks.email",
  sms: "fallbacks.sms",
};

export function escalationsOf({ settings, flags, userTerms, ...terms }: EscalatingTerms): Escalating | undefined {
  const { channels, escalation, clock, journal, alerts } = settings;
  if (channels.length === 0) return undefined;
  const rules = new EscalationRules(escalation, channels, {
    isOn: (name, ...user) => flags.isOn(switches[name], ...user),
    tierOf: (...user) => userTerms.escalationOf(...user),
  });
  const escalations = new Escalations({
    ...{ ...terms, clock, journal, alerts, rules, publicUrl: escalation.publicUrl },
    channels: new Map(channels.map((channel) => [channel.name, channel])),
  });
  return {
    escalations,
    isCritical: (event, record) => rules.isCritical(event, record),
    isCriticalNotice: (stream) => rules.isCriticalNotice(stream),
  };
}
