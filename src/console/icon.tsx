/** The few pictures of the page, as strokes in the colour of the text around them. */
const shapes = {
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M8 8h8v8H8z",
  cut: "M7 7l10 10M17 7l-2.5 2.5M9.5 14.5L7 17M4 4l3 3M17 17l3 3",
  tab: "M14 5h5v5M19 5l-8 8M17 14v4a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1V8a1 1 0 0 1 1-1h4",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M5.6 18.4l1.1-1.1M17.3 6.7l1.1-1.1",
  moon: "M19.5 14A8 8 0 0 1 10 4.5 8 8 0 1 0 19.5 14z",
  plus: "M12 5v14M5 12h14",
  check: "M5.5 12.5l4.5 4.5 8.5-10",
  cross: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  chevron: "M9 6l6 6-6 6",
  tool: "M14.5 6.5a4 4 0 0 0-5 5L4.8 16.2a1.8 1.8 0 0 0 2.6 2.6l4.8-4.7a4 4 0 0 0 5-5L14.8 11.5l-2.3-2.3z",
  thought: "M12 4a6 6 0 0 0-3.5 10.9V17h7v-2.1A6 6 0 0 0 12 4zM9.5 20h5",
  pause: "M9 6v12M15 6v12",
  bell: "M6 10a6 6 0 0 1 12 0c0 5 2 6 2 6H4s2-1 2-6M10 20h4",
  leave: "M14 5H6v14h8M11 12h9M17 9l3 3-3 3",
} as const;

export type IconName = keyof typeof shapes;

export function Icon({ name, size = 16 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg className="icon-shape" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d={shapes[name]} />
    </svg>
  );
}
