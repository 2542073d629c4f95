/**
 * The laws of what is read, each asked of every world: publishers, devices that come and go, a log that answers when it
 * likes, and processes that die. What each law says stands in `laws/`.
 */
import { describe, expect, it } from "vitest";
import { bounded } from "./laws/bounded.ts";
import { commitBeforeDeliver } from "./laws/commit-before-deliver.ts";
import { convergence } from "./laws/convergence.ts";
import { dense } from "./laws/dense.ts";
import { noSilentEnd } from "./laws/no-silent-end.ts";
import { once } from "./laws/once.ts";
import { order } from "./laws/order.ts";
import { reading } from "./support/commands.ts";
import { SharedSearch } from "./support/shared-search.ts";

const worlds = 800;
/** What lets time go on at the end is asked last. */
const laws = new SharedSearch(
  reading,
  { order, dense, once, commitBeforeDeliver, convergence, bounded, noSilentEnd },
  worlds,
);

describe("L3 order", () => {
  it("is kept for every device, however it comes and goes", async () => {
    await expect(laws.holds("order")).resolves.toBeUndefined();
  });
});

describe("L4 dense", () => {
  it("covers the stream range by range, each with all that it should hold", async () => {
    await expect(laws.holds("dense")).resolves.toBeUndefined();
  });
});

describe("L5 once", () => {
  it("brings every accepted event to every device exactly once, wherever it was cut", async () => {
    await expect(laws.holds("once")).resolves.toBeUndefined();
  });
});

describe("L7 commit before deliver", () => {
  it("shows a device nothing but what the log holds, at the offset where it holds it", async () => {
    await expect(laws.holds("commitBeforeDeliver")).resolves.toBeUndefined();
  });
});

describe("L9 convergence", () => {
  it("gives every device the picture that the log gives, merged or not, cut or not", async () => {
    await expect(laws.holds("convergence")).resolves.toBeUndefined();
  });
});

describe("L10 no silent end", () => {
  it("balances the ledger at every step, and ends with what the devices took", async () => {
    await expect(laws.holds("noSilentEnd")).resolves.toBeUndefined();
  });
});

describe("L11 bounded", () => {
  it("keeps what is un-acknowledged within the window, in events and in bytes", async () => {
    await expect(laws.holds("bounded")).resolves.toBeUndefined();
  });
});
