/** Colour on a terminal, plain text everywhere else: NO_COLOR, FORCE_COLOR and what the stream is decide. */
import { styleText } from "node:util";

export type Colour = "bold" | "dim" | "red" | "green" | "yellow" | "blue" | "magenta" | "cyan";
export type Paint = (colour: Colour, text: string) => string;

/** Paints for one stream. */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  return (colour, text) => styleText(colour, text, { stream, validateStream: true });
}

// Escape sequences of a payload could move the cursor, set the title or worse.
const controlCharacters = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g;

/** Text of a stranger, made harmless for a terminal; newlines stay. */
export function harmless(text: string): string {
  return text.replaceAll(controlCharacters, (character) => (character === "\t" ? "  " : "\u{fffd}"));
}
