/** The three broadcast functions: one notice each, written to the user's log first and counted as `Runcast.notify` counts. */
import type { Runcast } from "../index.ts";
import { noteOldName } from "./deprecation.ts";
import type { FacadeEvent, UserContext } from "./protocol.ts";

const replacement = "runcast.notify({ userId, type, data })";

/** Resolves to how many sockets were handed the event. */
export async function sendAs(name: string, context: UserContext, event: FacadeEvent): Promise<number> {
  const { runcast, userId, tenantId } = context;
  noteOldName(runcast, name, replacement);
  const { type, data, key, ...fields } = event;
  const notice = { userId, type: type.startsWith("x.") ? type : `x.${type}`, data: data ?? fields };
  const { successfulSends } = await runcast.notify({
    ...notice,
    ...(tenantId !== undefined && { tenantId }),
    ...(key !== undefined && { key }),
  });
  return successfulSends;
}

/** @deprecated Use `Runcast.notify`. */
export class WebSocketEventRouter {
  private readonly scope: Omit<UserContext, "userId">;

  constructor(runcast: Runcast, tenantId?: string) {
    this.scope = { runcast, tenantId };
  }

  /** @deprecated Use `Runcast.notify`. Fails: as that does. */
  broadcastToUser(userId: string, event: FacadeEvent): Promise<number> {
    return sendAs("WebSocketEventRouter.broadcastToUser", { ...this.scope, userId }, event);
  }
}

/** @deprecated Use `Runcast.notify`. */
export class UserScopedWebSocketEventRouter {
  private readonly context: UserContext;

  constructor(context: UserContext) {
    this.context = { ...context };
  }

  /** @deprecated Use `Runcast.notify`. Fails: as that does. */
  broadcastToUser(event: FacadeEvent): Promise<number> {
    return sendAs("UserScopedWebSocketEventRouter.broadcastToUser", this.context, event);
  }
}

/** @deprecated Use `Runcast.notify`. Fails: as that does. */
export function broadcastUserEvent(event: FacadeEvent, context: UserContext): Promise<number> {
  return sendAs("broadcastUserEvent", context, event);
}
