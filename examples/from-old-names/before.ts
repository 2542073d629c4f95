import type { Runcast } from "runcast";
import { broadcastUserEvent, createWebSocketManager } from "runcast/facade";
import { UnifiedWebSocketEmitter, UserScopedWebSocketEventRouter, WebSocketEventRouter } from "runcast/facade";

/** As it was written for the old names: each call gives the number of sockets that were handed the event. */
export async function before(runcast: Runcast): Promise<number[]> {
  const context = { runcast, userId: "alice", threadId: "t-1" };
  const event = { type: "invoice_ready", data: { invoiceId: "inv-9" } };

  const router = new WebSocketEventRouter(runcast);
  const byRouter = await router.broadcastToUser("alice", event);

  const scoped = new UserScopedWebSocketEventRouter(context);
  const byScoped = await scoped.broadcastToUser(event);

  const byFunction = await broadcastUserEvent(event, context);

  const manager = createWebSocketManager(context);
  const byManager = await manager.sendEvent(event);

  const emitter = new UnifiedWebSocketEmitter(context);
  const started = await emitter.emitAgentStarted("run-1", { agent: "adder" });
  const thinking = await emitter.emitAgentThinking("run-1", { thought: "easy" });
  const executing = await emitter.emitToolExecuting("run-1", { toolCallId: "c1", toolName: "add" });
  const ok = await emitter.emitToolCompleted("run-1", { toolCallId: "c1", status: "ok", result: 2 });
  const completed = await emitter.emitAgentCompleted("run-1", { output: 2 });
  return [byRouter, byScoped, byFunction, byManager, started, thinking, executing, ok, completed];
}
