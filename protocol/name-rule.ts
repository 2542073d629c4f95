/** What may be a name, for `ids` and their schemas. Whatever enters is held to one of these rules. */
const maxRunIdChars = 128;

/** A kind of name: what it must be, in words and as a test. */
export interface NameRule {
  readonly right: string;
  readonly holds: (text: string) => boolean;
}

// C0, DEL and C1: they break logs, headers and terminals.
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point.
const controlCharacters = /[\u0000-\u001f\u007f-\u009f]/;

const plainName = (maxChars: number): NameRule => ({
  right: `must be 1 to ${maxChars} characters without control characters`,
  holds: (text) =>
    text.length > 0 &&
    // A character is one or two code units: only in between must they be counted.
    (text.length <= maxChars || (text.length <= 2 * maxChars && [...text].length <= maxChars)) &&
    !controlCharacters.test(text) &&
    // A lone surrogate has no UTF-8 form: two different ids would become one on disk.
    text.isWellFormed(),
});

/** Users, tenants, threads, tool calls, messages and approvals: opaque names that somebody else chooses. */
export const anyName = plainName(256);
/** Devices and epochs. */
export const shortName = plainName(64);
export const runName: NameRule = {
  right: `must be 1 to ${maxRunIdChars} characters of A-Z a-z 0-9 . _ : -`,
  holds: (text) => text.length <= maxRunIdChars && /^[A-Za-z0-9_.:-]+$/.test(text),
};
