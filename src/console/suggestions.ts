/** Questions that each show another side of the demo agent: parallel tools, the docs, a provider's tool, a failure. */
export const suggestions: readonly string[] = [
  "What is 15% of 2,480, and what time is it in Tokyo and New York?",
  "How does a client resume after a lost connection?",
  "Search the web for today's tech news",
  "Show me a model error",
];
