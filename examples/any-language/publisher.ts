/**
 * A runner in any language is three kinds of HTTP calls; this one has nothing but `fetch`. Two things make it safe:
 * each event has a key, and an answer that did not come is asked for again with the same keys.
 */
const url = `http://localhost:${process.env.PORT ?? 8080}/v1`;
const headers = { authorization: `Bearer ${process.env.API_KEY}`, "content-type": "application/json" };

/** The outcome of a call is unknown while it times out or the server says 5xx or 429: the same call settles it. */
export async function post(path: string, body: unknown, tries = 5): Promise<Record<string, unknown>> {
  for (let attempt = 1; ; attempt += 1) {
    const signal = AbortSignal.timeout(10_000);
    const response = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body), signal }).catch(
      (error: unknown) => (attempt < tries ? undefined : Promise.reject(error)),
    );
    if (response?.ok) return (await response.json()) as Record<string, unknown>;
    const mayBeBetterLater = response === undefined || response.status === 429 || response.status >= 500;
    if (!mayBeBetterLater || attempt >= tries) throw new Error(`${response?.status} ${await response?.text()}`);
    const seconds = Number(response?.headers.get("retry-after") ?? 2 ** attempt / 10);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  }
}

/** `runId` is ours, so that starting twice is starting once. */
export async function publishRun(runId: string): Promise<void> {
  const { fence } = await post("/runs", { runId, userId: "alice", agent: "any-language" });
  const publish = (...events: object[]) => post(`/runs/${runId}/events`, { fence, events });

  await publish({ key: "1", type: "agent_thinking", data: { thought: "I should look it up" } });
  const lookup = { toolCallId: "c1", toolName: "lookup", args: { word: "runcast" } };
  await publish({ key: "2", type: "tool_executing", data: lookup });
  const done = { key: "3", type: "tool_completed", data: { toolCallId: "c1", status: "ok", result: "found" } };
  console.log("published:", await publish(done));
  // As if the answer had been lost on the way.
  console.log("published again:", await publish(done));
  await publish({ key: "4", type: "agent_completed", data: { output: "It carries the events of agent runs." } });
}
