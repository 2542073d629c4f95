import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as Effect from "effect/Effect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asTenantId, asUserId } from "../../protocol/ids.ts";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import { jwtAuthenticator } from "../../src/auth/jwt.ts";
import { signToken } from "../../src/auth/sign.ts";
import type { Clock } from "../../src/platform/clock.ts";
import { systemClock } from "../../src/platform/clock.ts";

const nowSeconds = 1_800_000_000;
const clock: Clock = { ...systemClock, now: () => nowSeconds * 1_000 };
const secret = "0123456789abcdef0123456789abcdef";
const otherSecret = "fedcba9876543210fedcba9876543210";
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const strangerRsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ed = generateKeyPairSync("ed25519");
const rsaPem = rsa.publicKey.export({ type: "spki", format: "pem" });

type Json = Record<string, unknown>;
const base64 = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const claims = (more: Json = {}): Json => ({ sub: "alice", exp: nowSeconds + 600, ...more });
const without = (name: string): Json => Object.fromEntries(Object.entries(claims()).filter(([key]) => key !== name));

function hs(header: unknown, payload: unknown, key: string | Buffer = secret, hash = "sha256"): string {
  const input = `${base64(header)}.${base64(payload)}`;
  return `${input}.${createHmac(hash, key).update(input).digest("base64url")}`;
}
const hs256 = (payload: unknown, header: Json = {}): string => hs({ alg: "HS256", ...header }, payload);

function rs256(payload: unknown, key = rsa.privateKey, header: Json = { alg: "RS256", kid: "rsa" }): string {
  const input = `${base64(header)}.${base64(payload)}`;
  return `${input}.${sign("sha256", Buffer.from(input), key).toString("base64url")}`;
}
function eddsa(payload: unknown): string {
  const input = `${base64({ alg: "EdDSA", kid: "ed" })}.${base64(payload)}`;
  return `${input}.${sign(null, Buffer.from(input), ed.privateKey).toString("base64url")}`;
}

const good = hs256(claims());
const [goodHeader = "", goodPayload = "", goodSignature = ""] = good.split(".");
const swapped = goodSignature.startsWith("A") ? `B${goodSignature.slice(1)}` : `A${goodSignature.slice(1)}`;

/** Every token here is forged or malformed, and none may name a user. */
const forged: Readonly<Record<string, string>> = {
  "an empty token": "",
  "a word": "token",
  "two parts": `${goodHeader}.${goodPayload}`,
  "four parts": `${good}.AAAA`,
  "five parts, as an encrypted token has": `${good}.AAAA.AAAA`,
  "an empty signature": `${goodHeader}.${goodPayload}.`,
  "a changed signature": `${goodHeader}.${goodPayload}.${swapped}`,
  "a cut signature": good.slice(0, -4),
  "a padded signature": `${good}=`,
  "a signature over another payload": `${goodHeader}.${base64(claims({ sub: "bob" }))}.${goodSignature}`,
  "a signature over another header": `${base64({ alg: "HS256", typ: "x" })}.${goodPayload}.${goodSignature}`,
  "white space before it": ` ${good}`,
  "a line break after it": `${good}\n`,
  "a header that is no JSON": hs("nonsense", claims()),
  "a header that is an array": hs([], claims()),
  "no alg": hs({ typ: "JWT" }, claims()),
  "alg none": `${base64({ alg: "none" })}.${base64(claims())}.`,
  "alg none with a signature": hs({ alg: "none" }, claims()),
  "alg None": hs({ alg: "None" }, claims()),
  "alg hs256 in small letters": hs({ alg: "hs256" }, claims()),
  "alg as a list": hs({ alg: ["HS256"] }, claims()),
  "alg HS384 with our secret": hs({ alg: "HS384" }, claims(), secret, "sha384"),
  "alg HS512 with our secret": hs({ alg: "HS512" }, claims(), secret, "sha512"),
  "another secret": hs({ alg: "HS256" }, claims(), otherSecret),
  "an empty secret": hs({ alg: "HS256" }, claims(), ""),
  "a key of its own in the header": hs(
    { alg: "HS256", jwk: { kty: "oct", k: base64(otherSecret) } },
    claims(),
    otherSecret,
  ),
  "a key URL of its own": hs({ alg: "HS256", jku: "https://evil.example/keys" }, claims(), otherSecret),
  "a certificate URL of its own": hs({ alg: "HS256", x5u: "https://evil.example/cert" }, claims(), otherSecret),
  "a certificate of its own": hs({ alg: "HS256", x5c: [base64(otherSecret)] }, claims(), otherSecret),
  "a kid that is SQL": hs({ alg: "HS256", kid: "x' UNION SELECT 'k" }, claims(), "k"),
  "a kid that is a URL": hs({ alg: "HS256", kid: "https://evil.example/keys" }, claims(), otherSecret),
  "a kid that is an object": hs({ alg: "HS256", kid: { k: otherSecret } }, claims(), otherSecret),
  "a secret of one byte": hs({ alg: "HS256" }, claims(), "a"),
  "an unencoded payload without crit": hs({ alg: "HS256", b64: false }, claims(), otherSecret),
  "exp below zero": hs256(claims({ exp: -1 })),
  "exp as a list": hs256(claims({ exp: [nowSeconds + 600] })),
  "sub as an object": hs256(claims({ sub: {} })),
  "sub as true": hs256(claims({ sub: true })),
  "a kid that is a path": hs({ alg: "HS256", kid: "../../dev/null" }, claims(), ""),
  "an unknown critical extension": hs256(claims(), { crit: ["x"], x: 1 }),
  "an empty list of critical extensions": hs256(claims(), { crit: [] }),
  "an unencoded payload": hs256(claims(), { b64: false, crit: ["b64"] }),
  "a known critical extension": hs256(claims(), { b64: true, crit: ["b64"] }),
  "a payload that is no JSON": hs({ alg: "HS256" }, "nonsense"),
  "a payload that is an array": hs256([]),
  "a payload that is null": hs({ alg: "HS256" }, "null"),
  "no exp": hs256(without("exp")),
  "exp in the past": hs256(claims({ exp: nowSeconds - 1 })),
  "exp now": hs256(claims({ exp: nowSeconds })),
  "exp as text": hs256(claims({ exp: String(nowSeconds + 600) })),
  "exp null": hs256(claims({ exp: null })),
  "exp 1e308": hs({ alg: "HS256" }, `{"sub":"alice","exp":1e308}`),
  "exp beyond numbers": hs({ alg: "HS256" }, `{"sub":"alice","exp":1e999}`),
  "exp after the year 9999": hs256(claims({ exp: 253_402_300_800 })),
  "exp in milliseconds of the far future": hs256(claims({ exp: Number.MAX_SAFE_INTEGER })),
  "a fraction as exp": hs256(claims({ exp: nowSeconds + 600.5 })),
  "nbf in the future": hs256(claims({ nbf: nowSeconds + 60 })),
  "nbf as text": hs256(claims({ nbf: "now" })),
  "no sub": hs256(without("sub")),
  "an empty sub": hs256(claims({ sub: "" })),
  "sub as a number": hs256(claims({ sub: 42 })),
  "sub as a list": hs256(claims({ sub: ["alice"] })),
  "sub with a control character": hs256(claims({ sub: "al\u0000ice" })),
  "sub of 257 characters": hs256(claims({ sub: "a".repeat(257) })),
  "sub with half a character": hs({ alg: "HS256" }, String.raw`{"sub":"\ud800","exp":${nowSeconds + 600}}`),
  "an empty tid": hs256(claims({ tid: "" })),
  "tid null": hs256(claims({ tid: null })),
  "tid as a number": hs256(claims({ tid: 7 })),
  "tid with a line break": hs256(claims({ tid: "a\nb" })),
  "more than 16 KiB": hs256(claims({ pad: "x".repeat(16_384) })),
  "an RS256 token": rs256(claims()),
  "the RSA public key as HMAC secret": hs({ alg: "HS256" }, claims(), String(rsaPem)),
};

const verdict = (authenticator: Authenticator, token: string) =>
  Effect.runPromise(Effect.match(authenticator.authenticate(token), { onFailure: (e) => e._tag, onSuccess: (p) => p }));

describe("a JWT with a shared secret", () => {
  let authenticator: Authenticator;
  beforeAll(async () => {
    authenticator = await Effect.runPromise(jwtAuthenticator({ key: { kind: "secret", secret }, clock }));
  });

  it.each(Object.entries(forged))("is refused: %s", async (_, token) => {
    expect(await verdict(authenticator, token)).toBe("Unauthenticated");
  });

  it("names its user, the default tenant and its end", async () => {
    expect(await verdict(authenticator, good)).toEqual({
      kind: "user",
      tenantId: "default",
      userId: "alice",
      expiresAtMs: (nowSeconds + 600) * 1_000,
    });
  });

  it("names its tenant", async () => {
    expect(await verdict(authenticator, hs256(claims({ tid: "acme" })))).toMatchObject({ tenantId: "acme" });
  });

  it("keeps names apart that only look alike", async () => {
    const composed = await verdict(authenticator, hs256(claims({ sub: "é" })));
    const decomposed = await verdict(authenticator, hs256(claims({ sub: "e\u0301" })));
    expect(composed).not.toEqual(decomposed);
  });

  it("allows an issuer's clock to run a little ahead", async () => {
    expect(await verdict(authenticator, hs256(claims({ nbf: nowSeconds + 3 })))).toMatchObject({ userId: "alice" });
  });

  it("takes what `signToken` makes", async () => {
    const token = await signToken({
      secret,
      userId: asUserId("bob"),
      tenantId: asTenantId("acme"),
      ttlMs: 60_000,
      clock,
    });
    expect(await verdict(authenticator, token)).toEqual({
      kind: "user",
      issuedAtMs: clock.now(),
      tenantId: "acme",
      userId: "bob",
      expiresAtMs: (nowSeconds + 60) * 1_000,
    });
  });

  it("never tells in its message what the token held", async () => {
    const canary = "canary-in-a-token";
    const failed = await Effect.runPromise(
      Effect.flip(authenticator.authenticate(hs256({ sub: canary, exp: canary }))),
    );
    expect(JSON.stringify(failed)).not.toContain(canary);
  });
});

describe("issuer and audience", () => {
  const options = {
    key: { kind: "secret", secret } as const,
    clock,
    issuer: "https://id.example",
    audience: "runcast",
  };
  const right = { iss: "https://id.example", aud: "runcast" };

  it.each([
    ["both right", right, true],
    ["one of several audiences", { ...right, aud: ["x", "runcast"] }, true],
    ["another issuer", { ...right, iss: "https://evil.example" }, false],
    ["no issuer", { aud: "runcast" }, false],
    ["another audience", { ...right, aud: "other" }, false],
    ["no audience", { iss: right.iss }, false],
  ])("%s", async (_, more, isGood) => {
    const authenticator = await Effect.runPromise(jwtAuthenticator(options));
    const outcome = await verdict(authenticator, hs256(claims(more)));
    expect(outcome === "Unauthenticated").toBe(!isGood);
  });
});

describe("a secret", () => {
  it.each([
    ["31 bytes", "x".repeat(31), false],
    ["32 bytes", "x".repeat(32), true],
    ["32 bytes of 16 characters", "é".repeat(16), true],
    ["nothing", "", false],
  ])("of %s", async (_, text, isGood) => {
    const made = Effect.runPromise(Effect.result(jwtAuthenticator({ key: { kind: "secret", secret: text }, clock })));
    expect((await made)._tag).toBe(isGood ? "Success" : "Failure");
  });
});

describe("a JWT with keys at a URL", () => {
  let authenticator: Authenticator;
  let answer: () => { status: number; body: string };
  const keys = JSON.stringify({
    keys: [
      { ...rsa.publicKey.export({ format: "jwk" }), kid: "rsa", alg: "RS256", use: "sig" },
      { ...ed.publicKey.export({ format: "jwk" }), kid: "ed", alg: "EdDSA", use: "sig" },
      { kty: "oct", kid: "oct", k: base64(secret), alg: "HS256" },
    ],
  });
  const server = createServer((_, response) => {
    const { status, body } = answer();
    response.writeHead(status, { "content-type": "application/json" }).end(body);
  });
  const urlOf = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  const make = () => Effect.runPromise(jwtAuthenticator({ key: { kind: "jwks", url: urlOf() }, clock }));
  const whole = () => ({ status: 200, body: keys });

  beforeAll(async () => {
    answer = whole;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    authenticator = await make();
  });
  afterAll(() => server.close());

  it.each([
    ["RS256", () => rs256(claims())],
    ["EdDSA", () => eddsa(claims())],
  ])("takes %s", async (_, token) => {
    expect(await verdict(authenticator, token())).toMatchObject({ userId: "alice" });
  });

  it.each([
    ["the RSA public key as HMAC secret", () => hs({ alg: "HS256", kid: "rsa" }, claims(), String(rsaPem))],
    ["a shared secret in the key set", () => hs({ alg: "HS256", kid: "oct" }, claims())],
    ["a stranger's RSA key", () => rs256(claims(), strangerRsa.privateKey)],
    ["an unknown kid", () => rs256(claims(), rsa.privateKey, { alg: "RS256", kid: "nobody" })],
    ["RS256 named as PS256", () => rs256(claims(), rsa.privateKey, { alg: "PS256", kid: "rsa" })],
    ["a SHA-1 signature's name", () => rs256(claims(), rsa.privateKey, { alg: "RS1", kid: "rsa" })],
    [
      "a stranger's key in the header",
      () =>
        rs256(claims(), strangerRsa.privateKey, {
          alg: "RS256",
          kid: "rsa",
          jwk: strangerRsa.publicKey.export({ format: "jwk" }),
        }),
    ],
    [
      "a stranger's key set in the header",
      () => rs256(claims(), strangerRsa.privateKey, { alg: "RS256", kid: "rsa", jku: "https://evil.example/keys" }),
    ],
    [
      "a stranger's certificate in the header",
      () => rs256(claims(), strangerRsa.privateKey, { alg: "RS256", kid: "rsa", x5u: "https://evil.example/cert" }),
    ],
    ["a kid that is a path", () => rs256(claims(), rsa.privateKey, { alg: "RS256", kid: "../../keys/rsa" })],
    ["a kid that is SQL", () => rs256(claims(), rsa.privateKey, { alg: "RS256", kid: "rsa' OR '1'='1" })],
    ["the RSA key named as EdDSA's", () => rs256(claims(), rsa.privateKey, { alg: "EdDSA", kid: "rsa" })],
    ["no alg", () => rs256(claims(), rsa.privateKey, { kid: "rsa" })],
    ["alg none", () => `${base64({ alg: "none", kid: "rsa" })}.${base64(claims())}.AAAA`],
  ])("refuses %s", async (_, token) => {
    expect(await verdict(authenticator, token())).toBe("Unauthenticated");
  });

  it.each([
    ["answers 500", () => ({ status: 500, body: keys })],
    ["answers no JSON", () => ({ status: 200, body: "<html>" })],
    ["answers no key set", () => ({ status: 200, body: "{}" })],
  ])("says that it cannot know when the URL %s", async (_, broken) => {
    answer = broken;
    const fresh = await make();
    expect(await verdict(fresh, rs256(claims()))).toBe("NotAccepting");
    answer = whole;
    expect(await verdict(fresh, rs256(claims()))).toMatchObject({ userId: "alice" });
  });
});
