import type { Runcast } from "runcast";

/** The same without them. */
export async function after(runcast: Runcast): Promise<number[]> {
  const notice = { userId: "alice", type: "x.invoice_ready", data: { invoiceId: "inv-9" } };
  const { successfulSends } = await runcast.notify(notice);

  const run = await runcast.startRun({ userId: "alice", threadId: "t-1", runId: "run-2", agent: "adder" });
  const { seq } = await run.thinking("easy");
  const sum = await run.tool({ toolCallId: "c1", toolName: "add" }, () => 1 + 1);
  await run.completed(sum);

  const thinking = await runcast.delivered({ runId: run.runId, seq });
  return [successfulSends, thinking.successfulSends];
}
