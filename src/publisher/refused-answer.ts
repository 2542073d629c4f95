/**
 * An answer of the server that is no success, as the failure that it tells of: the way back of `src/refusal`. What a
 * proxy answers in the server's place has no code of ours; its status alone says whether the outcome is known.
 */
import type { EventType } from "../../protocol/event.ts";
import type { RunState } from "../../protocol/run-view.ts";
import type { PublishFailure } from "./publish-failure.ts";
import {
  AlreadyResolved,
  Contaminated,
  Fenced,
  Forbidden,
  IllegalTransition,
  InvalidInput,
  KeyConflict,
  LogFull,
  LogUnavailable,
  NotAccepting,
  NotFound,
  RunEnded,
  RunExists,
  SeqConflict,
  TooLarge,
  TooMany,
  Unauthenticated,
  UnexpectedAnswer,
} from "./publish-failure.ts";

export interface RefusedAnswer {
  readonly status: number;
  /** The body, when it is JSON. */
  readonly body: unknown;
  /** What `Retry-After` asks for; 0 without one. */
  readonly retryAfterMs: number;
}

interface Told {
  readonly message: string;
  readonly retryAfterMs: number;
  text(name: string): string;
  number(name: string): number;
  list(name: string): readonly string[];
  value(name: string): unknown;
}

const requestTimeout = 408;
const tooEarly = 425;
const tooMany = 429;
const firstServerError = 500;

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;

const table: Readonly<Record<string, (told: Told) => PublishFailure>> = {
  invalid: (told) => invalid("invalid", told),
  invalid_event: (told) => invalid("invalid_event", told),
  unauthenticated: ({ message }) => new Unauthenticated({ message }),
  forbidden: ({ message }) => new Forbidden({ message }),
  not_found: ({ message }) => new NotFound({ what: whatOf(message), message }),
  illegal_transition: (told) =>
    new IllegalTransition({
      index: told.number("index"),
      state: told.text("state") as RunState,
      event: told.text("event") as EventType,
      legal: told.list("legal"),
      message: told.message,
    }),
  seq_conflict: (told) => new SeqConflict({ seq: told.number("seq"), message: told.message }),
  fenced: ({ message }) => new Fenced({ message }),
  run_ended: (told) => new RunEnded({ state: told.text("state") as RunState, message: told.message }),
  run_exists: ({ message }) => new RunExists({ message }),
  key_conflict: (told) => new KeyConflict({ key: told.text("key"), seq: told.number("seq"), message: told.message }),
  contaminated: (told) => new Contaminated({ path: told.text("path"), message: told.message }),
  already_resolved: (told) => new AlreadyResolved({ resolution: resolutionOf(told), message: told.message }),
  too_large: (told) => new TooLarge({ maxBytes: told.number("maxBytes"), message: told.message }),
  too_many: ({ message, retryAfterMs }) => new TooMany({ message, retryAfterMs }),
  not_accepting: ({ message, retryAfterMs }) => new NotAccepting({ message, retryAfterMs }),
  log_full: ({ message, retryAfterMs }) => new LogFull({ message, retryAfterMs }),
  log_unavailable: ({ message, retryAfterMs }) => new LogUnavailable({ message, retryAfterMs }),
};

/** `refusal` puts the path before the message; here it stands by itself. */
function invalid(code: InvalidInput["code"], told: Told): InvalidInput {
  const path = told.text("path");
  const prefix = `${path} `;
  const message = path !== "" && told.message.startsWith(prefix) ? told.message.slice(prefix.length) : told.message;
  return new InvalidInput({ code, path, message });
}

/** `refusal` says it in words only: "no such run". */
function whatOf(message: string): "run" | "approval" | "route" {
  if (message.endsWith(" run")) return "run";
  return message.endsWith(" approval") ? "approval" : "route";
}

function resolutionOf(told: Told): AlreadyResolved["resolution"] {
  const resolution = told.value("resolution");
  const by = field(resolution, "by");
  return {
    decision: field(resolution, "decision") === "approve" ? "approve" : "deny",
    ...(typeof by === "string" && { by }),
  };
}

/** Without a code of ours: whether somebody may have taken the call is all that the status says. */
function byStatus({ status, retryAfterMs }: RefusedAnswer): PublishFailure {
  const message = `the answer was ${status}, and not from Runcast`;
  if (status === tooMany) return new TooMany({ message, retryAfterMs });
  const isUnsettled = status >= firstServerError || status === requestTimeout || status === tooEarly;
  return isUnsettled ? new LogUnavailable({ message, retryAfterMs }) : new UnexpectedAnswer({ message });
}

export function failureOfAnswer(answer: RefusedAnswer): PublishFailure {
  const error = field(answer.body, "error");
  const details = field(error, "details");
  const code = field(error, "code");
  const said = field(error, "message");
  const make = typeof code === "string" && Object.hasOwn(table, code) ? table[code] : undefined;
  const failure =
    make?.({
      message: typeof said === "string" ? said : String(code),
      retryAfterMs: answer.retryAfterMs,
      value: (name) => field(details, name),
      text: (name) => {
        const value = field(details, name);
        return typeof value === "string" ? value : "";
      },
      number: (name) => Number(field(details, name) ?? 0),
      list: (name) => {
        const value = field(details, name);
        return Array.isArray(value) ? value.map(String) : [];
      },
    }) ?? byStatus(answer);
  failure.status = answer.status;
  return failure;
}
