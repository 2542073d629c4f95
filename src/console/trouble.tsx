/** What the server says of its breakers, in words for who looks at the page: calm, one line, gone when it is over. */

type Channels = Readonly<Record<string, string>>;

const isTroubled = (channels: Channels, name: string): boolean => (channels[name] ?? "closed") !== "closed";

/** Undefined: all is well. */
export function troubleText(channels: Channels): string | undefined {
  const hasLog = !isTroubled(channels, "log");
  const hasSpool = !isTroubled(channels, "spool");
  if (!hasLog && !hasSpool)
    return "Neither the log nor the spool answers: living runs come straight to you, and nothing of it is kept.";
  if (!hasLog) return "The log does not answer: events are kept and follow.";
  if (isTroubled(channels, "connection"))
    return "This tab has stopped taking events in: they wait in the log until it goes on.";
  return hasSpool ? undefined : "The spool does not answer. Events still go to the log.";
}

export function Trouble({ channels }: { readonly channels: Channels }) {
  const text = troubleText(channels);
  // The line is there from the start, so that a screen reader hears what comes into it.
  return (
    <div role="status" data-testid="trouble">
      {text !== undefined && <p className="trouble">{text}</p>}
    </div>
  );
}
