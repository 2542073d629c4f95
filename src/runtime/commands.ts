/** What users ask of their runs over the socket, each answered by one `reply` (PROTOCOL: `command`). */
import { check } from "../../protocol/codec.ts";
import type { JsonObject } from "../../protocol/event.ts";
import type { CommandFrame, ReplyFrame } from "../../protocol/frames.ts";
import { cancelSchema, resolveApprovalSchema } from "../../protocol/http.ts";
import { asRunId } from "../../protocol/ids.ts";
import type { Decoded } from "../../protocol/json.ts";
import { parseTrusted, payloadLimits, whyUnreadable } from "../../protocol/json.ts";
import type { UserPrincipal } from "../auth/principal.ts";
import { InvalidInput, isExpected } from "../errors.ts";
import { refusalOf } from "../refusal.ts";
import type { Approvals } from "./approvals.ts";
import type { UserConnection } from "./connection.ts";
import type { PayloadPolicy } from "./contamination.ts";
import { isolated } from "./contamination.ts";
import type { Limits } from "./limits.ts";
import type { Settings, UserCommand } from "./options.ts";
import type { RunAccess } from "./run-access.ts";

const notTheUser = "the application's answer names another user";
/** A refusal that is not one of the product's errors: the application's handler threw. */
const handlerFailed = { code: "command_failed", message: "the application could not carry out this command" };

function wanted<Value>(decoded: Decoded<Value>): Value {
  if (decoded.ok) return decoded.value;
  throw new InvalidInput({ code: "invalid", ...decoded.issue });
}

export class Commands {
  private readonly settings: Settings;
  private readonly limits: Pick<Limits, "command">;
  private readonly access: Pick<RunAccess, "cancel" | "requireOwn">;
  private readonly approvals: Pick<Approvals, "resolve">;
  private readonly policy: PayloadPolicy;

  /** The same calls as their HTTP twins end in, behind the same gate. */
  constructor(
    settings: Settings,
    limits: Pick<Limits, "command">,
    access: Pick<RunAccess, "cancel" | "requireOwn">,
    approvals: Pick<Approvals, "resolve">,
    policy: PayloadPolicy,
  ) {
    this.settings = settings;
    this.limits = limits;
    this.access = access;
    this.approvals = approvals;
    this.policy = policy;
  }

  /** Carries out one command and replies; never throws. */
  run(connection: UserConnection, frame: CommandFrame): void {
    const { principal } = connection;
    if (principal === undefined) return;
    const { ref } = frame;
    this.answer(principal, frame)
      // An answer that is no JSON throws here, and is one that the application did not give.
      .then((data) => connection.send({ type: "reply", ref, ok: true, data }))
      .catch((cause: unknown) => connection.send({ type: "reply", ref, ok: false, error: this.shown(cause) }));
  }

  private async answer(caller: UserPrincipal, frame: CommandFrame): Promise<JsonObject> {
    const { name, data = {} } = frame;
    this.limits.command(caller);
    switch (name) {
      case "cancel_run": {
        if (frame.runId === undefined) throw missing("runId");
        await this.access.cancel(caller, undefined, asRunId(frame.runId), wanted(check(cancelSchema, data, "data")));
        return {};
      }
      case "resolve_approval": {
        const { approvalId, ...body } = data;
        if (typeof approvalId !== "string") throw missing("data.approvalId");
        return this.approvals.resolve(
          caller,
          undefined,
          approvalId,
          wanted(check(resolveApprovalSchema, body, "data")),
        );
      }
      case "send_message":
        return this.handOn(caller, frame);
      default:
        throw new UnknownCommand(name);
    }
  }

  private async handOn(caller: UserPrincipal, frame: CommandFrame): Promise<JsonObject> {
    const { onCommand } = this.settings;
    if (onCommand === undefined) throw new UnknownCommand("send_message (no agent listens on this server)");
    // The application must not be led to a run that is not the user's.
    if (frame.runId !== undefined) await this.access.requireOwn(caller, asRunId(frame.runId));
    const command: UserCommand = {
      name: "send_message",
      tenantId: caller.tenantId,
      userId: caller.userId,
      runId: frame.runId === undefined ? undefined : asRunId(frame.runId),
      threadId: frame.threadId,
      data: frame.data ?? {},
    };
    const said = JSON.stringify(await onCommand(command)) as string | undefined;
    if (said === undefined) return {};
    const why = whyUnreadable(said, payloadLimits);
    if (why !== undefined) throw new Error(`the answer ${why}`);
    // It goes to this user alone, and so it may name nobody else.
    return parseTrusted(isolated(said, caller, () => "data", this.policy, notTheUser)) as JsonObject;
  }

  private shown(cause: unknown): NonNullable<ReplyFrame["error"]> {
    if (cause instanceof UnknownCommand) return { code: "unknown_command", message: cause.message };
    if (isExpected(cause)) {
      const { code, message, retryAfterMs } = refusalOf(cause);
      return { code, message, ...(retryAfterMs !== undefined && { retryAfterMs }) };
    }
    this.settings.journal.write("error", "command.failed", { cause });
    return handlerFailed;
  }
}

class UnknownCommand extends Error {
  constructor(name: string) {
    super(`unknown command: ${name.slice(0, 64)}; known are send_message, cancel_run, resolve_approval`);
  }
}

const missing = (path: string): InvalidInput => new InvalidInput({ code: "invalid", path, message: "is missing" });
