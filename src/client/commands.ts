/**
 * What the user asks of a run, and the answer. A command waits for a live connection and leaves once: if its answer
 * does not come, nobody knows whether it was carried out, and only the application can say what to do (never resent).
 */
import type { JsonObject } from "../../protocol/event.ts";
import type { CommandFrame, CommandName, ReplyFrame } from "../../protocol/frames.ts";
import { CommandNotSent, CommandRefused, CommandUnanswered } from "./client-error.ts";
import type { Timers } from "./timers.ts";

export type CommandBody = Pick<CommandFrame, "data"> & { readonly runId?: string; readonly threadId?: string };

interface PendingCommand {
  readonly frame: CommandFrame;
  readonly answer: PromiseWithResolvers<JsonObject>;
  readonly cancelDeadline: () => void;
  sent: boolean;
}

/** The server's limit for a frame: beyond it the connection would be closed. */
const maxFrameBytes = 65_536;
/** Half of what the server takes in a second, so that a reconnect cannot flood it. */
const maxPendingCommands = 50;

export class Commands {
  readonly #timers: Timers;
  readonly #deadlineMs: number;
  readonly #send: (frame: CommandFrame) => boolean;
  readonly #pending = new Map<CommandFrame["ref"], PendingCommand>();
  #lastRef = 0;

  constructor(timers: Timers, deadlineMs: number, send: (frame: CommandFrame) => boolean) {
    this.#timers = timers;
    this.#deadlineMs = deadlineMs;
    this.#send = send;
  }

  /** `Fails` CommandRefused, CommandUnanswered, CommandNotSent, ClientStopped. */
  run(name: CommandName, body: CommandBody): Promise<JsonObject> {
    this.#lastRef += 1;
    const frame: CommandFrame = { type: "command", ref: this.#lastRef, name, ...body };
    if (new TextEncoder().encode(JSON.stringify(frame)).length > maxFrameBytes)
      return Promise.reject(new CommandNotSent(`a command may have ${maxFrameBytes} bytes at most`));
    if (this.#pending.size >= maxPendingCommands)
      return Promise.reject(new CommandNotSent(`${maxPendingCommands} commands wait for their answers already`));
    const command: PendingCommand = {
      frame,
      answer: Promise.withResolvers(),
      cancelDeadline: this.#timers.after(this.#deadlineMs, () => this.#giveUp(command, "no answer came in time")),
      sent: false,
    };
    this.#pending.set(frame.ref, command);
    command.sent = this.#send(frame);
    return command.answer.promise;
  }

  /** The connection is live: what waited leaves now. */
  opened(): void {
    for (const command of this.#pending.values()) if (!command.sent) command.sent = this.#send(command.frame);
  }

  replied({ ref, ok, data, error }: ReplyFrame): void {
    const command = this.#pending.get(ref);
    if (command === undefined) return;
    this.#settle(command);
    if (ok) command.answer.resolve(data ?? {});
    else command.answer.reject(new CommandRefused(error?.code ?? "unknown", error?.message ?? "refused"));
  }

  /** The connection is gone: the answers to what was sent can no longer come. */
  closed(): void {
    for (const command of [...this.#pending.values()])
      if (command.sent) this.#giveUp(command, "the connection went before the answer");
  }

  /** Nothing will be sent any more. */
  stop(error: Error): void {
    this.closed();
    for (const command of [...this.#pending.values()]) {
      this.#settle(command);
      command.answer.reject(error);
    }
  }

  #giveUp(command: PendingCommand, why: string): void {
    this.#settle(command);
    const what = `${command.frame.name}: ${why}`;
    command.answer.reject(command.sent ? new CommandUnanswered(what) : new CommandNotSent(what));
  }

  #settle(command: PendingCommand): void {
    command.cancelDeadline();
    this.#pending.delete(command.frame.ref);
  }
}
