import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { settings } from "../../src/settings.ts";
import { processRoutes } from "../../src/gateway/routes/process-routes.ts";
import { root } from "../docs/page.ts";
import { version } from "./support/version.ts";

interface Linter {
  validate(
    text: string,
  ): readonly { readonly message: string; readonly range: { readonly start: { readonly line: number } } }[];
}
const { validate }: Linter = createRequire(import.meta.url)("dockerfile-utils");

const text = readFileSync(`${root}Dockerfile`, "utf8");
const instructions = text
  .replaceAll(/^#.*\n/gm, "")
  .replaceAll("\\\n", " ")
  .split("\n")
  .filter((line) => line.trim() !== "");
/** The last stage is the image. */
const image = instructions.slice(instructions.findLastIndex((line) => line.startsWith("FROM ")));
const only = (name: string): string => image.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? "";

describe("the image", () => {
  it("has nothing that a linter of Dockerfiles objects to", () => {
    expect(validate(text).map(({ message, range }) => `${range.start.line + 1}: ${message}`)).toEqual([]);
    expect(validate("FORM node\nUSER\n")).not.toEqual([]);
  });

  it("is built of the files that the package ships", () => {
    const copied = image.filter((line) => line.startsWith("COPY --from=build")).map((line) => line.split(" ")[2]);
    expect(copied.map((path) => path?.replace("/build/", ""))).toEqual([
      "package.json",
      "dist/protocol",
      "dist/machines",
      "dist/src",
      "dist/console",
    ]);
    expect(only("ENTRYPOINT")).toBe('["node", "/app/dist/src/cli/main.js"]');
    expect(JSON.parse(readFileSync(`${root}package.json`, "utf8")).bin.runcast).toBe("./dist/src/cli/main.js");
  });

  it("brings the optional packages that serve can use, at the locked versions", () => {
    const { peerDependenciesMeta } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
    const lock = JSON.parse(readFileSync(`${root}package-lock.json`, "utf8"));
    for (const name of ["pg", "redis", "nodemailer", "web-push"]) {
      expect(text).toContain(`'${name}'`);
      expect(peerDependenciesMeta).toHaveProperty([name, "optional"], true);
      expect(lock.packages).toHaveProperty([`node_modules/${name}`, "version"]);
    }
    // What stands in these lists npm leaves out, also when it is named.
    expect(text).toContain("npm pkg delete devDependencies peerDependencies peerDependenciesMeta");
  });

  it("runs as a user by number who is not root, and keeps what it writes in one volume that is his", () => {
    expect(only("USER")).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(only("VOLUME")).toBe('["/data"]');
    expect(only("WORKDIR")).toBe("/data");
    expect(text).toContain(`chown ${only("USER")} /data`);
  });

  it("checks its health without other programs, at a route that is there", () => {
    expect(only("HEALTHCHECK")).toMatch(/CMD \["node", "-e", /);
    const path = /'(\/[a-z]+)'/.exec(only("HEALTHCHECK").replaceAll(/process\.env\.\w+/g, ""))?.[1];
    expect(processRoutes.map((route) => route.path)).toContain(path);
    expect(image.join("\n")).not.toMatch(/curl|wget/);
  });

  it("listens for all, at the port that it names, and stops as serve does", () => {
    expect(only("ENV")).toContain("RUNCAST_HOST=0.0.0.0");
    expect(only("ENV")).toContain(`RUNCAST_PORT=${settings.port.default}`);
    expect(only("EXPOSE")).toBe(settings.port.default);
    expect(only("STOPSIGNAL")).toBe("SIGTERM");
  });

  it("bears the package's version", () => {
    expect(only("LABEL")).toContain(`org.opencontainers.image.version="${version}"`);
  });

  it("leaves out of its build what is secret, and what is somebody's data", () => {
    const ignored = readFileSync(`${root}.dockerignore`, "utf8").split("\n");
    for (const line of [".git", "node_modules", "**/*.db", "**/*.dev-secret", "**/*.audit.jsonl*", "**/*.env"])
      expect(ignored).toContain(line);
  });
});
