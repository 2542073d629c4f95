/**
 * The chart as Kubernetes would get it, without Helm: the templates keep to what Go's own engine has, and to `toJson` of
 * values, which is filled in here.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

export const chartFolder = fileURLToPath(new URL("../../../deploy/helm/runcast", import.meta.url));
const renderer = fileURLToPath(new URL("../fixtures/render-templates.ts", import.meta.url));

export type Value = ReturnType<typeof JSON.parse>;

export const chartFile = (name: string): string => readFileSync(join(chartFolder, name), "utf8");
export const chartValues = (): Value => parse(chartFile("values.yaml"));

/** `over` is laid over `values`, map by map. */
function merged(values: Value, over: Value): Value {
  if (typeof over !== "object" || over === null || Array.isArray(over)) return over;
  const result = { ...values };
  for (const [name, value] of Object.entries(over)) result[name] = merged(values?.[name] ?? {}, value);
  return result;
}

const at = (values: Value, path: string): Value => path.split(".").reduce((value, name) => value?.[name], values);

/** Every manifest that is made, by its file's name. */
export function rendered(over: Value = {}): Readonly<Record<string, Value>> {
  const values = merged(chartValues(), over);
  const chart = parse(chartFile("Chart.yaml"));
  const folder = join(chartFolder, "templates");
  const names = readdirSync(folder).filter((name) => name.endsWith(".yaml"));
  const helpers = readFileSync(join(folder, "_names.tpl"), "utf8");
  const templates = names.map((name) =>
    `${helpers}${readFileSync(join(folder, name), "utf8")}`.replaceAll(
      /\{\{ toJson \.Values\.([\w.]+) \}\}/g,
      (_, path: string) => JSON.stringify(at(values, path)),
    ),
  );
  const input = JSON.stringify({
    templates,
    values: {
      Values: values,
      Chart: { Name: chart.name, Version: chart.version, AppVersion: chart.appVersion },
      Release: { Name: "runcast", Namespace: "default", Service: "Helm" },
    },
  });
  const { stdout, stderr, status } = spawnSync(process.execPath, [renderer], { input, encoding: "utf8" });
  if (status !== 0) throw new Error(`the templates do not render:\n${stderr}`);
  const texts: string[] = JSON.parse(stdout);
  const manifests = names.map((name, index): [string, Value] => [name.replace(".yaml", ""), parse(texts[index] ?? "")]);
  return Object.fromEntries(manifests.filter(([, manifest]) => manifest !== null));
}
