/** `runcast/facade`: the old names, each a few lines over `Runcast`, until their callers have moved (docs/migration.md). */
export { broadcastUserEvent, UserScopedWebSocketEventRouter, WebSocketEventRouter } from "./router.ts";
export { UnifiedWebSocketEmitter } from "./emitter.ts";
export { createWebSocketManager, UserWebSocketManager } from "./user-manager.ts";
export type { FacadeEvent, UserContext, WebSocketManagerProtocol } from "./protocol.ts";
