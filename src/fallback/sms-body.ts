/**
 * The body of a call to an SMS gateway: JSON of the operator's with placeholders. They are filled into the texts of the
 * parsed template, so that no message can change its shape. No I/O.
 */
import { bodyLimits, parseJson } from "../../protocol/json.ts";

const placeholders = ["to", "from", "text", "id"] as const;
export type SmsValues = Readonly<Record<(typeof placeholders)[number], string>>;

export const defaultSmsBody = '{"to":"{to}","from":"{from}","text":"{text}","id":"{id}"}';
export const smsBodyShape = "a JSON object with {to} and {text}, and if you like {from} and {id}, in its texts";

export interface SmsBody {
  readonly usesFrom: boolean;
  /** JSON text. */
  fill(values: SmsValues): string;
}

const holes = /\{(\w+)\}/g;
const isPlaceholder = (name: string): name is keyof SmsValues => placeholders.some((each) => each === name);

/** The value with every text in it changed. */
function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((item: unknown) => mapTexts(item, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, mapTexts(child, change)]));
}

/** Reads a template; undefined for one that is not of `smsBodyShape`, a misspelt placeholder included. */
export function readSmsBody(text: string): SmsBody | undefined {
  const json = parseJson(text, bodyLimits);
  if (!json.ok || typeof json.value !== "object" || json.value === null || Array.isArray(json.value)) return undefined;
  const template = json.value;
  const used = new Set<string>();
  mapTexts(template, (each) => {
    for (const { 1: name = "" } of each.matchAll(holes)) used.add(name);
    return each;
  });
  if (!used.has("to") || !used.has("text") || ![...used].every(isPlaceholder)) return undefined;
  return {
    usesFrom: used.has("from"),
    fill: (values) =>
      JSON.stringify(
        mapTexts(template, (each) =>
          each.replaceAll(holes, (hole, name: string) => (isPlaceholder(name) ? values[name] : hole)),
        ),
      ),
  };
}
