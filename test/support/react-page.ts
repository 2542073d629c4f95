/** A page with the hooks under React's strict mode, which mounts everything twice: `test/e2e/react-hooks` opens it. */
import { createElement, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RuncastProvider, useClient, useConnection, useRun, useRuns } from "../../src/client/react.ts";

function Runs() {
  const client = useClient();
  const { state, cursor } = useConnection();
  const run = useRun("r-1");
  const text = `${state} ${cursor?.offset ?? "-"} ${run?.state ?? "none"} ${useRuns().length}`;
  return createElement("button", { onClick: () => client.cut() }, text);
}

const url = new URLSearchParams(location.search).get("server") ?? "";
const root = document.createElement("main");
document.body.append(root);
createRoot(root).render(
  createElement(
    StrictMode,
    null,
    createElement(RuncastProvider, { url, token: () => "token", from: "start" }, createElement(Runs)),
  ),
);
