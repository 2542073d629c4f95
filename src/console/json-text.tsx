/** A JSON value as coloured text: what tools were given and gave back, and what an event carries. */
import { Fragment } from "react";

const maxShownChars = 20_000;
const tokens = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

interface Piece {
  readonly text: string;
  readonly kind?: "key" | "string" | "literal";
}

function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(tokens)) {
    const [whole, quoted, colon] = match;
    if (match.index > at) found.push({ text: text.slice(at, match.index) });
    if (quoted === undefined) found.push({ text: whole, kind: "literal" });
    else found.push({ text: quoted, kind: colon === undefined ? "string" : "key" }, { text: colon ?? "" });
    at = match.index + whole.length;
  }
  found.push({ text: text.slice(at) });
  return found;
}

function textOf(value: unknown): string {
  const text = JSON.stringify(value, null, 2) ?? "undefined";
  return text.length > maxShownChars ? `${text.slice(0, maxShownChars)}\n… ${text.length - maxShownChars} more` : text;
}

export function JsonText({ value }: { readonly value: unknown }) {
  return (
    <pre className="json mono">
      {pieces(textOf(value)).map((piece, index) =>
        piece.kind === undefined ? (
          <Fragment key={index}>{piece.text}</Fragment>
        ) : (
          <span key={index} className={`json-${piece.kind}`}>
            {piece.text}
          </span>
        ),
      )}
    </pre>
  );
}
