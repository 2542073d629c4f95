/**
 * What an agent says next: legal by the independent table, or on purpose not. It believes what it has said; what others
 * write into its run meanwhile (an approval, a wish to stop) it learns like a real one: by asking.
 */
import type { RunMemory, Said } from "../support/legality.ts";
import { afterSaid, unborn } from "../support/legality.ts";
import type { Chance } from "./chance.ts";
import type { RunScript } from "./script.ts";

type Make = () => Said;

export class Plan {
  memory: RunMemory;
  private readonly chance: Chance;
  private readonly script: RunScript;
  private readonly runId: string;
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
      const illegal = this.draw().find((said) => afterSaid(this.memory, said) === undefined);
      if (illegal) return { events: [illegal], isLegal: false };
    }
    const events: Said[] = [];
    for (let left = chance.whole(1, script.batchMax); left > 0; left -= 1) {
      if (this.isWaiting && events.length > 0) break;
      const said = this.draw().find((each) => this.accepts(each));
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

  /** Some of all that can be said, in any order. */
  private draw(): readonly Said[] {
    const { chance, memory } = this;
    const call = chance.pick([...Object.keys(memory.executing), ...Object.keys(memory.proposed)]) ?? "c0";
    const messageId = `m${this.messages}`;
    const makes: readonly Make[] = [
      () => ({ type: "agent_delta", data: { messageId, channel: "text", text: "" } }),
      () => ({ type: "agent_delta", data: { messageId, channel: "reasoning", text: "" } }),
      () => ({ type: "agent_thinking", data: { thought: "hm" } }),
      () => ({ type: "tool_executing", data: { toolCallId: `c${++this.calls}`, toolName: "search" } }),
      () => ({ type: "tool_executing", data: { toolCallId: call, toolName: "search", attempt: chance.whole(1, 2) } }),
      () => ({ type: "tool_completed", data: { toolCallId: call, status: chance.pick(["ok", "error"]) } }),
      () => ({ type: "tool_proposed", data: { toolCallId: `c${this.calls + 1}`, toolName: "search" } }),
      () => ({ type: "agent_message", data: { messageId: `m${this.messages++}`, text: "whole" } }),
      () => ({ type: "x.note", data: {} }),
      () => this.question(),
      () => ({ type: "agent_resumed", data: {} }),
      () => ({ type: "cancel_refused", data: {} }),
    ];
    const first = chance.index(makes.length);
    const turned = [...makes.slice(first), ...makes.slice(0, first)];
    // Most of what an agent says are tokens.
    return (chance.is(0.4) ? makes : turned).map((make) => make());
  }

  private question(): Said {
    if (!this.script.asks || this.asked >= 2) return { type: "agent_progress", data: {} };
    this.asked += 1;
    const approvals = [{ approvalId: `${this.runId}-ask-${this.asked}`, prompt: "may I?" }];
    return { type: "agent_suspended", data: { reason: "approval", approvals } };
  }
}
