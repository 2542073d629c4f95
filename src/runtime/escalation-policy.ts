/**
 * Which events are critical, how long to wait for an ack, and whom to call then: configuration, with safe defaults.
 * `live-run` and `notices` ask whether an event is critical, `escalations` asks for the policy of a user.
 */
import type { EscalationPlan } from "../../machines/escalation.ts";
import type { JsonObject } from "../../protocol/event.ts";
import type { StreamKey, TenantId, UserId } from "../../protocol/ids.ts";
import { streamOwner } from "../../protocol/ids.ts";
import type { TierTerms } from "../../protocol/tiers.ts";
import type { Channel, ChannelName } from "../fallback/channel.ts";
import type { RunRecord } from "../log/event-log.ts";

/** What can be critical: how a run ends, an approval that is asked for, a notice that says so. */
export const criticalTypes = [
  "agent_completed",
  "agent_failed",
  "agent_cancelled",
  "agent_interrupted",
  "agent_suspended",
  "notice",
] as const;
export type CriticalType = (typeof criticalTypes)[number];

/** Of one user, as their tier says. */
export interface EscalationPolicy {
  /** Units: ms. From the commit to the first call, if no device acknowledges. Default 30,000. */
  readonly ackWaitMs: number;
  /** The same where somebody waits for a decision; never more than it. Default 10,000. */
  readonly approvalAckWaitMs: number;
  /** Rung 4, in this order. Default `web-push`, then `webhook`. */
  readonly emergency: readonly ChannelName[];
  /** Rung 5, in this order. Default `email`, then `sms`. */
  readonly alternative: readonly ChannelName[];
  /** Calls all of rung 4 at once. Default false: the next one only if the one before told nobody. */
  readonly parallel: boolean;
}

export interface EscalationOptions extends Partial<Pick<EscalationPolicy, "ackWaitMs" | "approvalAckWaitMs">> {
  /** Default: all of `criticalTypes`. */
  readonly critical?: readonly CriticalType[] | undefined;
  /**
   * Where people look: the link in every notice. `{runId}` and `{threadId}` in it are filled in; without them the page's
   * own `#thread=…` is put behind it.
   */
  readonly publicUrl?: string | undefined;
  /** What is different for a user, on top of what their tier says. */
  readonly policyOf?: ((tenantId: TenantId, userId: UserId) => Partial<EscalationPolicy>) | undefined;
}

/** What operators say of a user. */
export interface EscalationOperator {
  /** Whether this channel may be used now. */
  readonly isOn: (channel: ChannelName, tenantId: TenantId, userId: UserId) => boolean;
  /** What the user's tier says. */
  readonly tierOf: (tenantId: TenantId, userId: UserId) => NonNullable<TierTerms["escalation"]>;
}

export const defaultAckWaitMs = 30_000;
const defaultApprovalAckWaitMs = 10_000;
const ends: ReadonlySet<string> = new Set(["agent_completed", "agent_failed", "agent_cancelled", "agent_interrupted"]);

export class EscalationRules {
  private readonly options: EscalationOptions;
  private readonly critical: ReadonlySet<string>;
  private readonly configured: ReadonlySet<ChannelName>;
  private readonly operator: EscalationOperator;

  constructor(options: EscalationOptions, channels: readonly Channel[], operator: EscalationOperator) {
    this.options = options;
    this.operator = operator;
    this.critical = new Set(options.critical ?? criticalTypes);
    this.configured = new Set(channels.map(({ name }) => name));
  }

  policyOf(stream: StreamKey): EscalationPolicy {
    const { tenantId, userId } = streamOwner(stream);
    const { approvalAckWaitMs, policyOf } = this.options;
    const tier = this.operator.tierOf(tenantId, userId);
    const ackWaitMs = tier.ackWaitMs ?? this.options.ackWaitMs ?? defaultAckWaitMs;
    return {
      ackWaitMs,
      approvalAckWaitMs: Math.min(approvalAckWaitMs ?? defaultApprovalAckWaitMs, ackWaitMs),
      emergency: tier.emergency ?? ["web-push", "webhook"],
      alternative: tier.alternative ?? ["email", "sms"],
      parallel: tier.parallel ?? false,
      ...policyOf?.(tenantId, userId),
    };
  }

  /** Of a user, among the channels that there are. */
  planOf(stream: StreamKey): EscalationPlan {
    const { emergency, alternative, parallel } = this.policyOf(stream);
    const { tenantId, userId } = streamOwner(stream);
    const there = (names: readonly ChannelName[]) =>
      names.filter((name) => this.configured.has(name) && this.operator.isOn(name, tenantId, userId));
    return { emergency: there(emergency), alternative: there(alternative), parallel };
  }

  /** Units: ms. */
  ackWaitOf(stream: StreamKey, type: string): number {
    const { ackWaitMs, approvalAckWaitMs } = this.policyOf(stream);
    return type === "agent_suspended" ? approvalAckWaitMs : ackWaitMs;
  }

  /** An event of a run: the end of one that has no parent, or a question of any to its user. */
  isCritical(
    event: { readonly type: string; readonly data: unknown },
    { stream, parentRunId }: Pick<RunRecord, "stream" | "parentRunId">,
  ): boolean {
    if (!this.critical.has(event.type)) return false;
    const isMeant = ends.has(event.type) ? parentRunId === undefined : asksSomething(event.data as JsonObject);
    return isMeant && this.reaches(stream);
  }

  /** A notice that its publisher calls critical. */
  isCriticalNotice(stream: StreamKey): boolean {
    return this.critical.has("notice") && this.reaches(stream);
  }

  /** Who may be told by nothing that there is gets no row. */
  private reaches(stream: StreamKey): boolean {
    const { emergency, alternative } = this.planOf(stream);
    return emergency.length + alternative.length > 0;
  }
}

const asksSomething = ({ approvals }: JsonObject): boolean => Array.isArray(approvals) && approvals.length > 0;
