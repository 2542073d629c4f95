/** Where a question is asked. Enter sends, Shift+Enter makes a line; while a run lives, Stop stands beside it. */
import { useEffect, useRef, useState } from "react";
import { Icon } from "./icon.tsx";

interface ComposerProps {
  readonly suggestions: readonly string[];
  /** Resolves when the server has taken the message. */
  readonly send: (text: string) => Promise<unknown>;
  /** Undefined: nothing runs that could be stopped. */
  readonly stop: (() => Promise<unknown>) | undefined;
  readonly cancelling: boolean;
}

const maxHeightPx = 180;
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export function Composer({ suggestions, send, stop, cancelling }: ComposerProps) {
  const [text, setText] = useState("");
  const [sending, setSending] = useState(false);
  const [refusal, setRefusal] = useState<string>();
  const field = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    // On a touch screen the keyboard would cover the page at once.
    if (matchMedia("(pointer: fine)").matches) field.current?.focus();
  }, []);

  useEffect(() => {
    const area = field.current;
    if (area === null) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, maxHeightPx)}px`;
  }, [text]);

  const submit = (message: string) => {
    const trimmed = message.trim();
    if (trimmed === "" || sending) return;
    setSending(true);
    setRefusal(undefined);
    setText("");
    send(trimmed)
      .catch((error: unknown) => {
        setRefusal(messageOf(error));
        // Given back, unless something new is being written.
        setText((now) => (now === "" ? trimmed : now));
      })
      .finally(() => setSending(false));
    field.current?.focus();
  };

  return (
    <div className="composer-area">
      {suggestions.length > 0 && (
        <ul className="suggestions" aria-label="Suggested questions">
          {suggestions.map((suggestion) => (
            <li key={suggestion}>
              <button type="button" className="suggestion" onClick={() => submit(suggestion)} data-testid="suggestion">
                {suggestion}
              </button>
            </li>
          ))}
        </ul>
      )}
      {refusal !== undefined && (
        <p className="refusal" role="alert" data-testid="refusal">
          {refusal}
        </p>
      )}
      <form
        className="composer"
        onSubmit={(event) => {
          event.preventDefault();
          submit(text);
        }}
      >
        <textarea
          ref={field}
          rows={1}
          value={text}
          placeholder="Ask the agent something"
          aria-label="Message"
          data-testid="composer"
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
            event.preventDefault();
            submit(text);
          }}
        />
        {stop !== undefined && (
          <button
            type="button"
            className="button danger"
            data-testid="stop"
            disabled={cancelling}
            onClick={() => {
              setRefusal(undefined);
              stop().catch((error: unknown) => setRefusal(messageOf(error)));
            }}
          >
            <Icon name="stop" size={16} />
            {cancelling ? "Cancelling…" : "Stop"}
          </button>
        )}
        <button
          type="submit"
          className="button primary icon"
          data-testid="send"
          disabled={text.trim() === "" || sending}
          aria-label="Send"
        >
          <Icon name="send" size={17} />
        </button>
      </form>
    </div>
  );
}
