/** What can go wrong for the application, each by its own name. */

/** The server said no. `code` is the server's, as in `docs/protocol.md`. */
export class CommandRefused extends Error {
  override readonly name = "CommandRefused";
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * The command left, and no answer came before the connection went or the deadline passed. It may have been carried
 * out or not: look at the runs before you repeat it.
 */
export class CommandUnanswered extends Error {
  override readonly name = "CommandUnanswered";
}

/** The command was never sent, so repeating it is safe. */
export class CommandNotSent extends Error {
  override readonly name = "CommandNotSent";
}

/** The client has stopped: closed by the application, or for a reason that coming back cannot heal. */
export class ClientStopped extends Error {
  override readonly name = "ClientStopped";
  readonly reason: "requested" | "unauthenticated" | "refused";
  /** The close code that ended it, if one did. */
  readonly closeCode: number | undefined;
  constructor(reason: "requested" | "unauthenticated" | "refused", closeCode?: number) {
    super(
      reason === "requested"
        ? "the client was closed"
        : reason === "unauthenticated"
          ? "there is no token that the server accepts"
          : `the server closed the connection for good (${closeCode})`,
    );
    this.reason = reason;
    this.closeCode = closeCode;
  }
}

/** The connection ended or never came up; the client comes back by itself. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
  readonly closeCode: number | undefined;
  constructor(message: string, closeCode?: number) {
    super(message);
    this.closeCode = closeCode;
  }
}

/** How this run ended cannot be known from the stream: its end lies in a declared gap. `GET /v1/runs/{id}` may know. */
export class RunLost extends Error {
  override readonly name = "RunLost";
}
