/**
 * What an agent says next: legal by the independent table, or on purpose not. It believes what it has said; what others
 * write into its run meanwhile (an approval, a wish to stop) it learns like a real one: by asking.
 */
import type { RunMemory, Said } from "../support/legality.ts";
import { afterSaid, unborn } from "../support/legality.ts";
import type { Chance } from "./chance.ts";
import type { RunScript } from "./script.ts";

/** How often it just goes on with what most agents say most of the time. */
const tokenShare = 0.5;

export class Plan {
  memory: RunMemory;
  private readonly chance: Chance;
  private readonly script: RunScript;
  private readonly runId: string;
  /** Everything that can be said. Tokens stand first. */
  private readonly makes: readonly (() => Said)[] = [
    () => ({ type: "agent_delta", data: { messageId: this.message, channel: "text", text: "" } }),
    () => ({ type: "agent_delta", data: { messageId: this.message, channel: "reasoning", text: "" } }),
    () => ({ type: "agent_thinking", data: { thought: "hm" } }),
    () => ({ type: "tool_executing", data: { toolCallId: `c${++this.calls}`, toolName: "search" } }),
    () => ({ type: "tool_executing", data: { ...this.call, toolName: "search", attempt: this.chance.whole(1, 2) } }),
    () => ({ type: "tool_completed", data: { ...this.call, status: this.chance.is(0.5) ? "ok" : "error" } }),
    () => ({ type: "tool_proposed", data: { toolCallId: `c${this.calls + 1}`, toolName: "search" } }),
    () => ({ type: "agent_message", data: { messageId: `m${this.messages++}`, text: "whole" } }),
    () => ({ type: "x.note", data: {} }),
    () => this.question(),
    () => ({ type: "agent_resumed", data: {} }),
    () => ({ type: "cancel_refused", data: {} }),
  ];
  private calls = 0;
  private messages = 0;
  private asked = 0;

  constructor(runId: string, script: RunScript, chance: Chance) {
    this.runId = runId;
    this.script = script;
    this.chance = chance;
    this.memory = afterSaid(unborn(script.profile === "strict"), { type: "agent_started", data: {} }) ?? unborn(false);
  }

  get isWaiting(): boolean {
    return this.memory.at === "suspended" && Object.values(this.memory.asked).some(Boolean);
  }

  /** What the run really is: others wrote into it, or the server did in our place. */
  learn(memory: RunMemory): void {
    this.memory = memory;
  }

  /** Somebody has answered. */
  resolved(approvalId: string): void {
    this.memory = { ...this.memory, asked: { ...this.memory.asked, [approvalId]: false } };
  }

  /** Somebody wants it to stop. */
  cancelling(): void {
    this.memory = { ...this.memory, cancelling: true };
  }

  /** The next batch; `isLegal` tells whether the table lets all of it pass. */
  next(): { readonly events: readonly Said[]; readonly isLegal: boolean } {
    const { chance, script } = this;
    if (chance.is(script.illegal)) {
      const illegal = this.first((said) => afterSaid(this.memory, said) === undefined);
      if (illegal) return { events: [illegal], isLegal: false };
    }
    const events: Said[] = [];
    for (let left = chance.whole(1, script.batchMax); left > 0; left -= 1) {
      if (this.isWaiting && events.length > 0) break;
      const said = this.first((each) => this.accepts(each));
      if (said) events.push(said);
    }
    return { events, isLegal: true };
  }

  /** All that has to be said before it may say that it is done, and that. */
  ending(): readonly Said[] {
    const events: Said[] = [];
    const say = (said: Said): void => {
      if (this.accepts(said)) events.push(said);
    };
    if (this.memory.at === "suspended") say({ type: "agent_resumed", data: {} });
    for (const toolCallId of Object.keys(this.memory.executing))
      say({ type: "tool_completed", data: { toolCallId, status: "ok" } });
    if (this.memory.at === "started") say({ type: "agent_thinking", data: {} });
    if (this.chance.is(0.7)) say({ type: "agent_completed", data: {} });
    else say({ type: "agent_failed", data: { error: { code: "bad", message: "no", retryable: false } } });
    return events;
  }

  /** Takes it into account. False: the table does not let it pass. */
  accepts(said: Said): boolean {
    const next = afterSaid(this.memory, said);
    if (next === undefined || next.at === "over") return next !== undefined && said.type.startsWith("agent_");
    this.memory = next;
    return true;
  }

  /** The first of all that can be said, in any order, that will do. */
  private first(will: (said: Said) => boolean): Said | undefined {
    const { chance } = this;
    const from = chance.is(tokenShare) ? 0 : chance.index(this.makes.length);
    for (let step = 0; step < this.makes.length; step += 1) {
      const said = this.makes[(from + step) % this.makes.length]?.();
      if (said && will(said)) return said;
    }
    return undefined;
  }

  private get message(): string {
    return `m${this.messages}`;
  }

  /** One that was announced. */
  private get call(): { readonly toolCallId: string } {
    const { executing, proposed } = this.memory;
    return { toolCallId: this.chance.pick([...Object.keys(executing), ...Object.keys(proposed)]) ?? "c0" };
  }

  private question(): Said {
    if (!this.script.asks || this.asked >= 2) return { type: "agent_progress", data: {} };
    this.asked += 1;
    const approvals = [{ approvalId: `${this.runId}-ask-${this.asked}`, prompt: "may I?" }];
    return { type: "agent_suspended", data: { reason: "approval", approvals } };
  }
}
