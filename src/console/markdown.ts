/**
 * A small, safe subset of Markdown as a tree: headings, paragraphs, lists, fenced code, rules, quotes; bold, italic,
 * code and links inside. It never makes HTML: `rich-text` turns the tree into elements, so text stays text.
 */
export type Inline =
  | { readonly type: "text" | "code"; readonly text: string }
  | { readonly type: "bold" | "italic"; readonly content: readonly Inline[] }
  | { readonly type: "link"; readonly text: string; readonly href: string };

export type Block =
  | { readonly type: "paragraph" | "quote"; readonly content: readonly Inline[] }
  | { readonly type: "heading"; readonly level: number; readonly content: readonly Inline[] }
  | { readonly type: "list"; readonly ordered: boolean; readonly items: readonly (readonly Inline[])[] }
  | { readonly type: "code"; readonly language: string; readonly text: string }
  | { readonly type: "rule" };

// One alternative per inline form; code first, as nothing inside it is read. Every length is bounded, so that text
// made of openings costs no more than its length; a star or an underscore inside a word is part of it.
const inlineForms =
  /`([^`]{1,2000})`|\*\*(?=\S)([^*]{1,500})(?<=\S)\*\*|(?<![\w*])\*(?=\S)([^*]{1,500})(?<=\S)\*(?![\w*])|(?<!\w)_(?=\S)((?:[^_]|(?<=\w)_(?=\w)){1,500})(?<=\S)_(?!\w)|\[([^[\]]{1,300})\]\(([^)\s]{1,2000})\)/g;

/** Only what a click may safely follow. */
const isSafeHref = (href: string): boolean => /^https?:\/\//i.test(href);

/** The inline forms of one line. */
export function parseInline(text: string): Inline[] {
  const parts: Inline[] = [];
  let at = 0;
  for (const match of text.matchAll(inlineForms)) {
    const [whole, code, bold, star, underscore, label, href] = match;
    const italic = star ?? underscore;
    if (match.index > at) parts.push({ type: "text", text: text.slice(at, match.index) });
    if (code !== undefined) parts.push({ type: "code", text: code });
    else if (bold !== undefined) parts.push({ type: "bold", content: parseInline(bold) });
    else if (italic !== undefined) parts.push({ type: "italic", content: parseInline(italic) });
    else if (label !== undefined && href !== undefined && isSafeHref(href))
      parts.push({ type: "link", text: label, href });
    else parts.push({ type: "text", text: whole });
    at = match.index + whole.length;
  }
  if (at < text.length) parts.push({ type: "text", text: text.slice(at) });
  return parts;
}

const fence = /^\s*```\s*([\w+-]*)/;
const heading = /^(#{1,6})\s+(.*)$/;
const rule = /^\s*(?:-{3,}|\*{3,}|_{3,})\s*$/;
const quote = /^>\s?(.*)$/;
const listItem = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/;

/** Reads text that may still grow: an open fence runs to the end. */
export function parseMarkdown(text: string): Block[] {
  const blocks: Block[] = [];
  const lines = text.split(/\r?\n/);
  let paragraph: string[] = [];
  const flush = () => {
    if (paragraph.length > 0) blocks.push({ type: "paragraph", content: parseInline(paragraph.join("\n")) });
    paragraph = [];
  };
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    const fenced = fence.exec(line);
    const headed = heading.exec(line);
    const item = listItem.exec(line);
    const quoted = quote.exec(line);
    if (fenced) {
      flush();
      const end = lines.findIndex((other, index) => index > at && /^\s*```\s*$/.test(other));
      const upto = end === -1 ? lines.length : end;
      blocks.push({ type: "code", language: fenced[1] ?? "", text: lines.slice(at + 1, upto).join("\n") });
      at = upto;
    } else if (rule.test(line)) {
      flush();
      blocks.push({ type: "rule" });
    } else if (headed) {
      flush();
      blocks.push({ type: "heading", level: headed[1]?.length ?? 1, content: parseInline(headed[2] ?? "") });
    } else if (item) {
      flush();
      addItem(blocks, item[1] !== undefined, parseInline(item[2] ?? ""));
    } else if (quoted) {
      flush();
      blocks.push({ type: "quote", content: parseInline(quoted[1] ?? "") });
    } else if (line.trim() === "") flush();
    else paragraph.push(line.trim());
  }
  flush();
  return blocks;
}

function addItem(blocks: Block[], ordered: boolean, content: readonly Inline[]): void {
  const last = blocks.at(-1);
  if (last?.type === "list" && last.ordered === ordered) {
    blocks[blocks.length - 1] = { ...last, items: [...last.items, content] };
  } else blocks.push({ type: "list", ordered, items: [content] });
}
