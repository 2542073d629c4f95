import { describe, expect, it } from "vitest";
import { mailOf } from "../../src/fallback/email-template.ts";
import { readSmtpUrl } from "../../src/fallback/smtp-url.ts";
import { noticeOf } from "./support/notices.ts";

describe("the e-mail's text", () => {
  it("says what, when, where, and why it came", () => {
    expect(mailOf(noticeOf({ text: "One.\nTwo." })).text).toBe(
      [
        "The agent writer has failed",
        "One.",
        "Two.",
        "Have a look: https://app.example/runs/run-1",
        "--\n1 January 2026, 10:00 UTC · run run-1\nYou get this message because it came while you were not connected, and it may need you.\n",
      ].join("\n\n"),
    );
  });

  it("does without what is not there", () => {
    const { text, html } = mailOf(noticeOf({ runId: undefined, url: undefined, text: "", time: "whenever" }));
    expect(text).toBe(
      "The agent writer has failed\n\n--\nwhenever\nYou get this message because it came while you were not connected, and it may need you.\n",
    );
    expect(html).not.toContain("<a ");
  });

  it("escapes what comes from outside", () => {
    const nasty = `<script>alert("x")</script>&'`;
    const { html } = mailOf(noticeOf({ title: nasty, text: nasty, runId: nasty, url: `https://a.example/?q="><img>` }));
    expect(html).not.toMatch(/<script|<img|x"\)/);
    expect(html).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;");
  });

  it.each(["javascript:alert(1)", "data:text/html,a", "no url", "file:///etc/passwd"])("links to no %s", (url) => {
    const { html, text } = mailOf(noticeOf({ url }));
    expect(html).not.toContain("<a ");
    expect(text).not.toContain(url);
  });

  it("has a subject of one line that mail programs can show", () => {
    expect(mailOf(noticeOf({ title: "a\r\nb\u202ec\u0000d" })).subject).toBe("a b c d");
    const { subject } = mailOf(noticeOf({ title: "😀".repeat(500) }));
    expect(subject.length).toBeLessThanOrEqual(150);
    expect(subject.isWellFormed()).toBe(true);
  });
});

describe("the mail server's URL", () => {
  it.each([
    ["smtp://mail.example.com", { host: "mail.example.com", port: 587, secure: false, requireTLS: false }],
    ["smtps://mail.example.com", { host: "mail.example.com", port: 465, secure: true, requireTLS: false }],
    ["smtp://[::1]:2525/", { host: "::1", port: 2525, secure: false, requireTLS: false }],
    [
      "smtp://a%40b:c%3Ad@mail.example.com:25",
      { host: "mail.example.com", port: 25, secure: false, requireTLS: true, auth: { user: "a@b", pass: "c:d" } },
    ],
    [
      "smtp://a:b@127.0.0.1",
      { host: "127.0.0.1", port: 587, secure: false, requireTLS: false, auth: { user: "a", pass: "b" } },
    ],
  ])("%s", (text, server) => expect(readSmtpUrl(text)).toEqual(server));
});
