import { Ajv } from "ajv";
import { beforeAll, describe, expect, it } from "vitest";
import { processRoutes } from "../../src/gateway/routes/process-routes.ts";
import { settings } from "../../src/settings.ts";
import type { Value } from "./support/chart.ts";
import { chartFile, chartValues, rendered } from "./support/chart.ts";
import { drainSeconds } from "./support/drain.ts";
import { version } from "./support/version.ts";
import { parse } from "yaml";

const everything = {
  ingress: { enabled: true, tlsSecret: "tls" },
  autoscaling: { enabled: true },
  networkPolicy: { enabled: true },
  podAnnotations: { team: "agents" },
  imagePullSecrets: [{ name: "registry" }],
  nodeSelector: { disk: "ssd" },
  tolerations: [{ key: "dedicated", operator: "Exists" }],
  service: { annotations: { a: 'quoted "text"' } },
};
const defaults = ["deployment", "poddisruptionbudget", "service", "serviceaccount"];
const all = [...defaults, "horizontalpodautoscaler", "ingress", "networkpolicy"].toSorted();

interface Model {
  /** Throws for what the API's own schema does not have. */
  validate(): void;
}
type Kind = new (manifest: Value) => Model;
/** By its full name, so that what is not installed fails the test and not the compiler. */
async function modelOf({ apiVersion, kind }: Value): Promise<Kind> {
  const name = `kubernetes-models/${apiVersion}`;
  const folder: Readonly<Record<string, Kind>> = await import(name);
  const found = folder[kind];
  if (found === undefined) throw new Error(`${apiVersion} has no ${kind}`);
  return found;
}

const check = new Ajv({ strict: false }).compile(JSON.parse(chartFile("values.schema.json")));
let plain: Readonly<Record<string, Value>>;
let full: Readonly<Record<string, Value>>;
beforeAll(() => {
  plain = rendered();
  full = rendered(everything);
});

describe("the chart", () => {
  it("makes what it says with its defaults, and the rest when it is asked to", () => {
    expect(Object.keys(plain).toSorted()).toEqual(defaults);
    expect(Object.keys(full).toSorted()).toEqual(all);
  });

  it("makes manifests that the schemas of Kubernetes take", async () => {
    for (const manifests of [plain, full])
      for (const [name, manifest] of Object.entries(manifests)) {
        const Model = await modelOf(manifest);
        expect(() => new Model(manifest).validate(), name).not.toThrow();
      }
    const { deployment } = full;
    const Model = await modelOf(deployment);
    expect(() => new Model({ ...deployment, spec: { ...deployment.spec, replicas: "two" } }).validate()).toThrow();
  });

  it("has values that its schema takes, and refuses what is misspelt, of another kind, or too short for a drain", () => {
    expect(check(chartValues()), JSON.stringify(check.errors)).toBe(true);
    const refused = [
      { replica: 3 },
      { replicas: "3" },
      { existingSecret: "" },
      { settings: { RUNCAST_LEASE_MS: 3_000 } },
      { settings: { LEASE: "1" } },
      { terminationGraceSeconds: drainSeconds },
    ];
    for (const over of refused) expect(check({ ...chartValues(), ...over }), JSON.stringify(over)).toBe(false);
  });

  it("has the package's version, and its image by default", () => {
    const chart = parse(chartFile("Chart.yaml"));
    expect([chart.version, chart.appVersion]).toEqual([version, version]);
    expect(plain["deployment"].spec.template.spec.containers[0].image).toBe(`runcast:${version}`);
  });

  it("probes routes that are there, at the port that the server listens on", () => {
    const [container] = plain["deployment"].spec.template.spec.containers;
    const [port] = container.ports;
    expect(String(port.containerPort)).toBe(settings.port.default);
    const routes = processRoutes.map(({ path }) => path);
    for (const probe of ["livenessProbe", "readinessProbe", "startupProbe"]) {
      expect(routes).toContain(container[probe].httpGet.path);
      expect(container[probe].httpGet.port).toBe(port.name);
    }
    expect(container.livenessProbe.httpGet.path).toBe("/livez");
    expect(container.readinessProbe.httpGet.path).toBe("/readyz");
    expect(plain["service"].spec.ports[0].targetPort).toBe(port.name);
    expect(full["networkpolicy"].spec.ingress[0].ports[0].port).toBe(port.name);
    expect(full["ingress"].spec.rules[0].http.paths[0].backend.service).toEqual({
      name: plain["service"].metadata.name,
      port: { name: plain["service"].spec.ports[0].name },
    });
  });

  it("gives a pod that goes time to leave the service and to drain", () => {
    const { spec } = plain["deployment"].spec.template;
    const [, seconds] = spec.containers[0].lifecycle.preStop.exec.command;
    expect(Number(seconds) + drainSeconds).toBeLessThan(spec.terminationGracePeriodSeconds);
    // Longer than the readiness probe needs to notice.
    expect(Number(seconds)).toBeGreaterThan(spec.containers[0].readinessProbe.periodSeconds);
  });

  it("runs without root, without rights and without a disk to write to", () => {
    const { securityContext, containers, automountServiceAccountToken } = plain["deployment"].spec.template.spec;
    expect(securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1_000 });
    expect(containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect(automountServiceAccountToken).toBe(false);
  });

  it("selects its own pods, and no others", () => {
    const { selector, template } = full["deployment"].spec;
    const { matchLabels } = selector;
    expect(template.metadata.labels).toMatchObject(matchLabels);
    expect(full["service"].spec.selector).toEqual(matchLabels);
    expect(full["poddisruptionbudget"].spec.selector.matchLabels).toEqual(matchLabels);
    expect(full["networkpolicy"].spec.podSelector.matchLabels).toEqual(matchLabels);
    expect(full["horizontalpodautoscaler"].spec.scaleTargetRef.name).toBe(full["deployment"].metadata.name);
    // Whoever scales it says how many there are.
    expect(full["deployment"].spec.replicas).toBeUndefined();
    expect(plain["deployment"].spec.replicas).toBe(2);
  });
});
