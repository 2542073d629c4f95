/** Markdown as elements. The tree comes from `markdown`; nothing here is ever set as HTML. */
import { memo } from "react";
import type { Block, Inline } from "./markdown.ts";
import { parseMarkdown } from "./markdown.ts";

function InlineText({ content }: { readonly content: readonly Inline[] }) {
  // The order of a parsed text never changes but at its end, so the index is the identity.
  return content.map((part, index) => {
    switch (part.type) {
      case "bold":
        return (
          <strong key={index}>
            <InlineText content={part.content} />
          </strong>
        );
      case "italic":
        return (
          <em key={index}>
            <InlineText content={part.content} />
          </em>
        );
      case "code":
        return <code key={index}>{part.text}</code>;
      case "link":
        return (
          <a key={index} href={part.href} target="_blank" rel="noreferrer noopener">
            {part.text}
          </a>
        );
      case "text":
        return part.text;
    }
  });
}

function BlockText({ block }: { readonly block: Block }) {
  switch (block.type) {
    case "paragraph":
      return (
        <p>
          <InlineText content={block.content} />
        </p>
      );
    case "quote":
      return (
        <blockquote>
          <InlineText content={block.content} />
        </blockquote>
      );
    case "heading": {
      const Heading = block.level === 1 ? "h3" : block.level === 2 ? "h4" : "h5";
      return (
        <Heading>
          <InlineText content={block.content} />
        </Heading>
      );
    }
    case "list": {
      const List = block.ordered ? "ol" : "ul";
      return (
        <List>
          {block.items.map((item, index) => (
            <li key={index}>
              <InlineText content={item} />
            </li>
          ))}
        </List>
      );
    }
    case "code":
      return (
        <pre>
          <code>{block.text}</code>
        </pre>
      );
    case "rule":
      return <hr />;
  }
}

/** A text of the agent; `open` shows the caret of a text that still grows. */
export const RichText = memo(function RichText({ text, open }: { readonly text: string; readonly open: boolean }) {
  return (
    <div className={open ? "rich-text open" : "rich-text"}>
      {parseMarkdown(text).map((block, index) => (
        <BlockText key={index} block={block} />
      ))}
    </div>
  );
});
