/** The manager of one user, and the factory that is the only way to one: none is shared, and none reaches anybody else. */
import { noteOldName } from "./deprecation.ts";
import { UnifiedWebSocketEmitter } from "./emitter.ts";
import type { FacadeEvent, UserContext, WebSocketManagerProtocol } from "./protocol.ts";
import { sendAs } from "./router.ts";

/** Only this file has it. */
const factory = Symbol("createWebSocketManager");

/** @deprecated Use `Runcast` itself. */
export class UserWebSocketManager implements WebSocketManagerProtocol {
  readonly userId: string;
  readonly emitter: UnifiedWebSocketEmitter;
  readonly #context: UserContext;

  /** @internal Fails: `TypeError`, called by anybody but `createWebSocketManager`. */
  constructor(maker: symbol, context: UserContext) {
    if (maker !== factory)
      throw new TypeError("a manager belongs to one user: make it with createWebSocketManager(userContext)");
    this.#context = { ...context };
    this.userId = context.userId;
    this.emitter = new UnifiedWebSocketEmitter(this.#context);
  }

  /** @deprecated Use `Runcast.notify`. Fails: as that does. */
  sendEvent(event: FacadeEvent): Promise<number> {
    return sendAs("WebSocketManager.sendEvent", this.#context, event);
  }
}

/** @deprecated Use `Runcast` itself: it needs no manager. */
export function createWebSocketManager(context: UserContext): WebSocketManagerProtocol {
  noteOldName(context.runcast, "createWebSocketManager", "runcast.notify and runcast.startRun with the user's id");
  return new UserWebSocketManager(factory, context);
}
