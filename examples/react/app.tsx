/**
 * A chat in React: the provider holds one connection, and the hooks render what it knows. A run that goes on while
 * the page is reloaded, or in another tab, shows up as it is now.
 */
import { type FormEvent, useState } from "react";
import { isOver } from "runcast/client";
import { RuncastProvider, useClient, useConnection, useRuns } from "runcast/react";

export function App(props: { readonly token: string }) {
  return (
    <RuncastProvider url={location.origin} token={() => props.token}>
      <Chat />
    </RuncastProvider>
  );
}

function Chat() {
  const client = useClient();
  const { state } = useConnection();
  const [text, setText] = useState("");
  const ask = (event: FormEvent) => {
    event.preventDefault();
    void client.send(text).catch((error: Error) => alert(error.message));
    setText("");
  };
  return (
    <main>
      <p role="status">{state}</p>
      {useRuns().map((run) => (
        <article key={run.runId}>
          <h2>
            {run.agent}: {run.state}
          </h2>
          {run.tools.map(({ toolCallId, toolName, status }) => (
            <p key={toolCallId}>
              {toolName}: {status}
            </p>
          ))}
          {run.messages.map((message) => (
            <p key={message.messageId}>{message.text}</p>
          ))}
          {!isOver(run) && <button onClick={() => void client.cancel(run.runId)}>Stop</button>}
        </article>
      ))}
      <form onSubmit={ask}>
        <input value={text} onChange={({ target }) => setText(target.value)} />
      </form>
    </main>
  );
}
