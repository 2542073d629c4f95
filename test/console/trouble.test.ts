import { describe, expect, it } from "vitest";
import { troubleText } from "../../src/console/trouble.tsx";

describe("the line about breakers", () => {
  it("is not there while all that concerns the user is closed", () => {
    expect(troubleText({})).toBeUndefined();
    expect(
      troubleText({ log: "closed", spool: "closed", connection: "closed", auth: "auth_completed" }),
    ).toBeUndefined();
  });

  it.each(["open", "halfOpen"])("says that events follow while the log is %s", (state) => {
    expect(troubleText({ log: state, connection: state })).toBe("The log does not answer: events are kept and follow.");
  });

  it("says that nothing is kept when neither answers, and what a tab or a spool alone means", () => {
    expect(troubleText({ log: "open", spool: "halfOpen" })).toContain("nothing of it is kept");
    expect(troubleText({ connection: "open" })).toContain("they wait in the log");
    expect(troubleText({ spool: "open" })).toContain("still go to the log");
  });
});
